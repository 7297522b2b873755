"""What the commands share: exit codes, wrong usage, and writing."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path

from clinspan.errors import InputError
from clinspan.recognizer import Recognizer

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

Load = Callable[[argparse.Namespace], Recognizer]


class UsageError(Exception):
    """The command line asks for what cannot be."""


def split_pairs(values: Sequence[str], option: str, form: str) -> dict[str, str]:
    """Split values such as OLD=NEW at their last equals sign: labels may have one of their own.

    Args:
        values: what was given.
        option: the option it was given to, for the error.
        form: what the option takes, for the error.

    Raises:
        InputError: a value has no equals sign, or nothing before or after it.
    """
    pairs = {}
    for value in values:
        old, _, new = value.rpartition("=")
        if not old or not new:
            raise InputError(f"{option} {value}: expected {form}")
        pairs[old] = new
    return pairs


def write_text(path: Path, text: str) -> None:
    """Write a file; raises InputError where it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def write_stdout(text: str) -> None:
    """Write lines to standard output at once, in UTF-8: a terminal's own encoding may lack a note's characters.

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
    """Let what is still to be written go nowhere: Python would fail on it once more at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
