"""Exit codes, the error for wrong usage, and writing to files and to standard output."""

from __future__ import annotations

import contextlib
import os
import sys
from io import TextIOWrapper
from pathlib import Path

from clinspan.errors import InputError
from clinspan.textfiles import printable

DONE, FAILED, WRONG_USAGE, UNTESTED, INTERRUPTED = 0, 1, 2, 3, 130


class UsageError(Exception):
    """The command line cannot be carried out as it stands."""


def named(name: str) -> str:
    """Show the name of a file for a message; not one that may be a text given by mistake in place of a file's name."""
    if len(name) > 255 or any(character.isspace() for character in name):
        return f"(a name of {len(name):,} characters)"
    return printable(name)


def exists(name: str) -> bool:
    """Say whether a file or folder is there; a text that no file could be named is not."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def say(text: str, *, end: str = "\n") -> None:
    """Write a message to standard error, if there is one: a service may have none."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(printable(text) if end else f"\r{printable(text)}", end=end, file=sys.stderr, flush=True)


def open_standard_streams() -> None:
    """Put the null device in place of a standard stream that is closed, for this process's files and libraries.

    The next file to be opened would take its number, and a library's warning would be written into the results.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, or raise InputError."""
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def write_stdout(text: str) -> None:
    """Write lines to standard output at once, in UTF-8, since a terminal's own encoding may lack a note's characters.

    Raises:
        BrokenPipeError: its reader is gone.
        InputError: it cannot be written, or is closed.
    """
    if sys.stdout is None:
        raise InputError("cannot write to standard output: it is closed")
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
