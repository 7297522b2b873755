"""Watch a path: where the marker turns up in errors, logs, warnings, streams and files, and what raised."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import clinspan
from tests.support.privacy.failing_paths import MARKER, Place

SOURCE = Path(clinspan.__file__).parent


def leaks(error: BaseException) -> list[str]:
    """Where an error, or one that can be reached from it, holds the marker."""
    found, waiting, seen = [], [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        # Error reporters follow `__context__` too, hidden by `from None` or not, and show attributes.
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        held = {name: getattr(one, name, "") for name in ("args", "doc", "object", "__notes__")} | vars(one)
        said = {"message": str(one), "repr": repr(one), **{name: repr(value) for name, value in held.items()}}
        said["traceback"] = "".join(traceback.format_exception(one))
        found += [f"{type(one).__name__}.{where}" for where, text in said.items() if MARKER in text]
    return found


class Kept(logging.Handler):
    """Keeps every record, with what it would say."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if MARKER in self.format(record):
            self.found.append(f"log of {record.name}")
        if record.exc_info and record.exc_info[1]:
            self.found += [f"log of {record.name}: {leak}" for leak in leaks(record.exc_info[1])]


@contextmanager
def watched(place: Place, found: list[str]) -> Iterator[None]:
    """Say where the marker turns up: logs, warnings, both streams down to their descriptors, files."""
    folder = place.root / "watched"
    folder.mkdir(parents=True)
    (place.root / "inputs").mkdir()
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in range(2)]
    root, handler = logging.getLogger(), Kept()
    level = root.level
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(record=True) as warned,
        tempfile.TemporaryFile() as descriptor,
        redirect_stdout(streams[0]),
        redirect_stderr(streams[1]),
    ):
        warnings.simplefilter("always")
        patch.chdir(folder)
        for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
            patch.setenv(name, str(folder))
        kept = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(descriptor.fileno(), number)
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)
        descriptor.seek(0)
        said = [descriptor.read(), *(_content(stream) for stream in streams)]
    found += handler.found
    found += [f"warning {warning.category}" for warning in warned if MARKER in str(warning.message)]
    found += ["standard output or error" for text in said if MARKER.encode() in text]
    found += [f"file {path.name}" for path in folder.rglob("*")]


def _content(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()


@contextmanager
def noting_raises(reached: set[tuple[str, int]]) -> Iterator[None]:
    """Note file and line of every exception that comes up in clinspan, those that it catches itself too."""

    def local(frame: FrameType, event: str, _: object) -> Any:
        if event == "exception":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return local

    def entered(frame: FrameType, _event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(str(SOURCE)):
            return None
        frame.f_trace_lines = False
        return local

    before = sys.gettrace()
    threading.settrace(entered)
    sys.settrace(entered)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(None)
