"""Read lines of text files, plain or gzip, with the place that an error names; write files whole or not at all.

No message contains text of a note.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from clinspan.documents.document import Entity
from clinspan.errors import InputError

# The largest line or text file that is read unless more is asked for: far more than any note, far less than memory.
MAX_BYTES = 64 * 2**20

# Part of a line that is too long to keep.
_CHUNK = 2**20


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; one that ends in .gz is decompressed as it is read, never as a whole.

    Raises:
        InputError: the file cannot be opened or, inside the `with`, be read or decompressed to its end.
    """
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                yield cast(BinaryIO, stream)
        else:
            with path.open("rb") as plain:
                yield plain
    except EOFError:
        raise InputError(f"{path}: the gzip data ends too early: the file was cut off") from None
    except (gzip.BadGzipFile, zlib.error):
        raise InputError(f"{path}: damaged, or not gzip data") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Yield a path to write a file or a folder at; it takes its place when the block ends, whole or not at all.

    Args:
        path: the place. Missing folders above it are made; a file or folder that stands there is replaced at the end.

    Yields:
        A path on the same file system with the same name, in a hidden folder that is removed at the end.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as work:
        made, old = Path(work, path.name), Path(work, f"{path.name}.old")
        yield made
        if not path.is_dir():
            made.replace(path)
            return
        path.rename(old)
        try:
            made.rename(path)
        except BaseException:
            old.rename(path)
            raise


def scan_lines(path: Path, *, max_bytes: int = MAX_BYTES) -> Iterator[tuple[str, bytes | None]]:
    """Yield (place, line) for every line, without its line end; None for a line of more than `max_bytes` bytes.

    Such a line is passed over in parts, so that neither it nor a file that decompresses to it fills the memory.

    Raises:
        InputError: as `open_bytes`, after the lines that could be read.
    """
    with open_bytes(path) as stream:
        number = 0
        # Two more than the limit, for the line end.
        while line := stream.readline(max_bytes + 2):
            number += 1
            whole = line.endswith(b"\n") or len(line) < max_bytes + 2
            content = line.rstrip(b"\r\n")
            while line and not line.endswith(b"\n"):
                line = stream.readline(_CHUNK)
            yield f"{path}, line {number}", content if whole and len(content) <= max_bytes else None


def read_lines(path: Path, *, max_bytes: int = MAX_BYTES) -> Iterator[tuple[str, str]]:
    """Yield (place, line) for every line, without its line end; the place reads "FILE, line N".

    Raises:
        InputError: as `open_bytes`, or a line is not UTF-8 or has more than `max_bytes` bytes.
    """
    first = True
    for where, line in scan_lines(path, max_bytes=max_bytes):
        yield where, decode_line(line, where, first=first, max_bytes=max_bytes)
        first = False


def decode_line(line: bytes | None, where: str, *, first: bool, max_bytes: int) -> str:
    """The text of a line that `scan_lines` gave; the first may begin with a byte order mark.

    Raises:
        InputError: it is not UTF-8, or was too long.
    """
    if line is None:
        raise InputError(f"{where}: longer than the limit of {max_bytes:,} bytes")
    return decode(line, where, mark=first)


def read_at_most(stream: BinaryIO, max_bytes: int, where: str) -> bytes:
    """All of a stream.

    Raises:
        InputError: it holds more than `max_bytes` bytes; little more than those are read.
    """
    parts: list[bytes] = []
    size = 0
    while part := stream.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise InputError(f"{where}: larger than the limit of {max_bytes:,} bytes")
    return b"".join(parts)


def decode(data: bytes, where: str, *, mark: bool) -> str:
    """UTF-8 as text, without the byte order mark that it may begin with where `mark`.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig" if mark else "utf-8")
    except UnicodeDecodeError as error:
        wrong = error.start
    # Raised out here: Python's own error holds all of the data, and `from None` would only hide it.
    raise InputError(f"{where}: not UTF-8 (byte {wrong}): convert it first")


def read_objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (place, object) for every line of a JSONL file that is not blank.

    Raises:
        InputError: as `read_lines`, or a line is no JSON object.
    """
    for where, line in read_lines(path):
        if line.strip():
            yield where, parse_object(line, where)


class _DuplicateKeyError(ValueError):
    """Two values for one key: JSON leaves open which one counts, so neither is taken."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise _DuplicateKeyError
    return row


def parse_object(line: str, where: str) -> Mapping[str, Any]:
    """Parse one JSON object.

    Raises:
        InputError: it is none, is nested too deeply, or has a key twice; the message says where.
    """
    row: object = None
    problem = ""
    try:
        row = json.loads(line, object_pairs_hook=_unique)
    except RecursionError:
        raise InputError(f"{where}: the JSON is nested too deeply") from None
    except _DuplicateKeyError:
        raise InputError(f"{where}: an object of the JSON has the same key twice") from None
    except ValueError as error:
        column = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        problem = f"not valid JSON{column}"
    if problem:  # raised out here: a JSON error holds the whole line
        raise InputError(f"{where}: {problem}")
    if not isinstance(row, dict):
        raise InputError(f"{where}: {kind(row)}, expected a JSON object")
    return row


def kind(value: object) -> str:
    """What a value is, for an error message."""
    return "missing" if value is None else f"a {type(value).__name__}"


# More than any text has characters; Python refuses to read numbers of thousands of digits.
_DIGITS = 18


def offset(value: object, name: str, where: str) -> int:
    """An offset in characters; numbers written as strings are taken, as protocol buffers write them so.

    Raises:
        InputError: it is no whole number.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{where}: {name} is {kind(value)}, expected a whole number of characters")
    return value


def checked(entities: Iterable[Entity], length: int, where: str) -> tuple[Entity, ...]:
    """The entities in the order of the text.

    Raises:
        InputError: one is empty or leaves the text of `length` characters, or two overlap.
    """
    ordered = tuple(sorted(entities, key=lambda entity: (entity.start, entity.end)))
    end = 0
    for entity in ordered:
        if not 0 <= entity.start < entity.end <= length:
            raise InputError(
                f"{where}: annotation {entity.start} to {entity.end} ({entity.label}) does not lie in a text of "
                f"{length} characters"
            )
        if entity.start < end:
            raise InputError(
                f"{where}: annotation {entity.start} to {entity.end} ({entity.label}) overlaps the one before it, "
                f"which ends at {end}"
            )
        end = entity.end
    return ordered
