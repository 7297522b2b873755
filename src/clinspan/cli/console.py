"""Exit codes, the error for wrong usage, and writing to files and to standard output."""

from __future__ import annotations

import contextlib
import os
import sys
from io import TextIOWrapper
from pathlib import Path

from clinspan.errors import InputError

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(Exception):
    """The command line cannot be carried out as it stands."""


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, or raise InputError."""
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def printable(text: str) -> str:
    """Replace halves of surrogate pairs, which a label from a JSON escape may hold and no terminal takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def write_stdout(text: str) -> None:
    """Write lines to standard output at once, in UTF-8, since a terminal's own encoding may lack a note's characters.

    Raises:
        BrokenPipeError: its reader is gone.
        InputError: it cannot be written.
    """
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.encoding != "utf-8":
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        raise InputError(f"cannot write to standard output: {error.strerror}") from error


def drop_stdout() -> None:
    """Discard what is still to be written: Python would fail on it again when it exits."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
