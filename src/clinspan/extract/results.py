"""Write a run's results to a file that grows by whole lines, and read how far an earlier run got."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from clinspan.errors import InputError
from clinspan.extract.output import LINE_BEGIN
from clinspan.strict_json import parse_object

try:
    import fcntl
except ImportError:  # Windows: two runs into one file are then not noticed
    fcntl = None  # type: ignore[assignment]

# Seconds whose lines a power cut may cost; a killed process costs none of those written.
SYNC_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ResultLine:
    """A complete line of an earlier run.

    Attributes:
        where: file and line.
        id: of the note.
        error: why the note has no result; None if it has.
        found: how many spans, labels or numbers it has.
        line: as written, without its line end.
        end: bytes of the file up to and with this line.
    """

    where: str
    id: str
    error: str | None
    found: int
    line: str
    end: int


def read_result_lines(path: Path) -> Iterator[ResultLine]:
    """Read the complete lines of a result file, lazily; a last line without its line end is left out.

    Raises:
        InputError: the file cannot be read, or a line was not written by clinspan.
    """
    end = 0
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                where = f"{path}, line {number}"
                if not line.endswith(b"\n"):
                    _check_torn(line, where)
                    return
                end += len(line)
                yield _parse(line, where, end)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _parse(line: bytes, where: str, end: int) -> ResultLine:
    if line.startswith(LINE_BEGIN):
        row = parse_object(line, where, error=lambda _: _not_ours(where))
        error = row.get("error")
        # Each format of lines has one list at least, and its first holds what was found.
        lists = [value for value in row.values() if isinstance(value, list)]
        if isinstance(row["id"], str) and (lists or isinstance(error, str)):
            count = len(lists[0]) if lists else 0
            return ResultLine(where, row["id"], error, count, line[:-1].decode("utf-8"), end)
    raise _not_ours(where)


def _not_ours(where: str) -> InputError:
    return InputError(f"{where}: not a result of clinspan: --resume continues only a file that it began")


def _check_torn(line: bytes, where: str) -> None:
    """Refuse to cut off what cannot be the beginning of a result; a power cut may leave NUL bytes behind it."""
    begun = line.rstrip(b"\0")
    if not (begun.startswith(LINE_BEGIN) or LINE_BEGIN.startswith(begun)):
        raise _not_ours(where)


class ResultFile:
    """A file that grows by whole lines: whoever reads it finds a line whole or not at all.

    While it is open, no other run can write to it. A device or a pipe is written to as it is.
    """

    def __init__(self, path: Path) -> None:
        """Open a file and keep its content; a missing file is created.

        Raises:
            InputError: it cannot be written, or another process is writing to it.
        """
        self._path = path
        with _named(path):
            self._file = FileIO(path, "a")
        try:
            with _named(path):
                self.regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
                if self.regular:
                    _lock(self._file, path)
        except InputError:
            self._file.close()
            raise
        self._synced = time.monotonic()

    def cut(self, end: int) -> None:
        """Cut the file off after `end` bytes."""
        if self.regular:
            with _named(self._path):
                self._file.truncate(end)

    def write(self, text: str) -> None:
        """Add lines; if they cannot be written whole, on a full disk say, none of them stays.

        Raises:
            InputError: they cannot be written.
        """
        data = memoryview(f"{text}\n".encode())
        with _named(self._path):
            end = os.fstat(self._file.fileno()).st_size
            try:
                while data:
                    data = data[self._file.write(data) :]
            except BaseException:
                if self.regular:
                    with contextlib.suppress(OSError):
                        self._file.truncate(end)
                raise
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            self._sync()

    def _sync(self) -> None:
        if self.regular:
            with _named(self._path):
                os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(self, *_: object) -> None:
        """Bring the lines to the disk and close the file."""
        with _named(self._path), self._file:
            self._sync()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        shown = path if len(str(path)) < 256 else "the results"
        raise InputError(f"cannot write {shown}: {error.strerror}") from None


def _lock(file: FileIO, path: Path) -> None:
    """Keep a second run out; the lock ends with the process, however that ends."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{path}: another process is writing to it") from None
    except OSError:
        return  # a file system without locks
