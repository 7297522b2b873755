"""Read lines of text files, plain or gzip, with the place that an error names; write files whole or not at all.

No message contains text of a note.
"""

from __future__ import annotations

import codecs
import gzip
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, cast

from clinspan.errors import InputError
from clinspan.strict_json import parse_object

# The largest line or text file that is read unless more is asked for: far more than any note, far less than memory.
MAX_BYTES = 64 * 2**20

# What a terminal obeys or shows in another order: control characters, bidirectional marks, and the like.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)

# Blank lines in a row: far more than any file of notes has. A small gzip file may hold thousands of millions.
MAX_BLANK_LINES = 1_000_000

# Part of a line that is too long to keep.
_CHUNK = 2**20


def printable(text: str) -> str:
    r"""Write `\xNN` or `\uNNNN` for what a terminal would obey and not show; tabs and line ends stay.

    A note, a file's name or a label may hold such characters, and they would write over what is on the screen.

    >>> print(printable("dry\x1bcough"))
    dry\x1bcough
    """

    def escape(found: re.Match[str]) -> str:
        number = ord(found[0])
        return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"

    return _UNSEEN.sub(escape, text).encode("utf-8", "replace").decode("utf-8")


@contextmanager
def open_bytes(path: Path, *, encoding: str | None = None) -> Iterator[BinaryIO]:
    """Open a file for reading; one that ends in .gz is decompressed as it is read, never as a whole.

    Args:
        path: the file.
        encoding: of its text, which is then given in UTF-8; None for the bytes as they are.

    Raises:
        InputError: the file cannot be opened or, inside the `with`, be read, decompressed or decoded to its end.
    """
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                yield in_utf8(cast(BinaryIO, stream), encoding, str(path))
        else:
            with path.open("rb") as plain:
                yield in_utf8(plain, encoding, str(path))
    except EOFError:
        raise InputError(f"{path}: the gzip data ends too early: the file was cut off") from None
    except (gzip.BadGzipFile, zlib.error):
        raise InputError(f"{path}: damaged, or not gzip data") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


class _Recoded(BufferedIOBase):
    """A stream of text in some encoding, read as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str, where: str) -> None:
        self._text = TextIOWrapper(stream, encoding, newline="\n")
        self._problem = f"{where}: not {encoding}: name the encoding that it has"

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        return self._utf8(self._text.read, -1 if size is None else size)

    read1 = read

    def readline(self, size: int | None = -1) -> bytes:
        return self._utf8(self._text.readline, -1 if size is None else size)

    def close(self) -> None:
        """Leave the stream below to whoever opened it."""
        if not self.closed:
            self._text.detach()
        super().close()

    def _utf8(self, read: Callable[[int], str], size: int) -> bytes:
        try:
            return read(size).encode("utf-8", "surrogatepass")
        except UnicodeError:
            pass
        raise InputError(self._problem)  # out here: Python's own error holds the data


def in_utf8(stream: BinaryIO, encoding: str | None, where: str) -> BinaryIO:
    """Give a stream's text in UTF-8; the stream itself where no encoding is named.

    Raises:
        InputError: Python does not know the encoding, or, while it is read, the text is not in it.
    """
    return stream if encoding is None else cast(BinaryIO, _Recoded(stream, encoding_name(encoding), where))


def encoding_name(encoding: str) -> str:
    """Check the name of an encoding.

    Raises:
        InputError: Python does not know it, or it does not encode text.
    """
    try:
        codecs.lookup(encoding)
        "".encode(encoding)
    except (LookupError, ValueError):
        raise InputError(
            f"unknown encoding {encoding!r}: expected a name such as utf-8, utf-16, latin-1 or cp1252"
        ) from None
    return encoding


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
        if not (path.is_dir() or (path.exists() and made.is_dir())):
            made.replace(path)
            return
        path.rename(old)
        try:
            made.rename(path)
        except BaseException:
            old.rename(path)
            raise


def scan_lines(
    path: Path, *, max_bytes: int = MAX_BYTES, encoding: str | None = None
) -> Iterator[tuple[str, bytes | None]]:
    """Yield (place, line) for every line of a file, as `lines_of`.

    Raises:
        InputError: as `open_bytes`, after the lines that could be read.
    """
    with open_bytes(path, encoding=encoding) as stream:
        yield from lines_of(stream, str(path), max_bytes=max_bytes)


def lines_of(
    stream: BinaryIO, where: str, *, start: int = 1, max_bytes: int = MAX_BYTES
) -> Iterator[tuple[str, bytes | None]]:
    """Yield (place, line) for every line, without its line end; None for a line of more than `max_bytes` bytes.

    Such a line is passed over in parts, so that neither it nor a file that decompresses to it fills the memory.

    Args:
        stream: to read from.
        where: its name, for the place.
        start: number of its next line.
        max_bytes: longest line.

    Raises:
        InputError: more than `MAX_BLANK_LINES` lines in a row, or more than `max_bytes` bytes of such, are blank.
    """
    number = start
    blank_lines = blank_bytes = 0
    # Two more than the limit, for the line end.
    while line := stream.readline(max_bytes + 2):
        whole = line.endswith(b"\n") or len(line) < max_bytes + 2
        content = line.rstrip(b"\r\n")
        blank_lines, blank_bytes = (0, 0) if content.strip() else (blank_lines + 1, blank_bytes + len(line))
        if blank_lines > MAX_BLANK_LINES or blank_bytes > max_bytes + 2:
            raise InputError(
                f"{where}, line {number}: too many blank lines, one after another: nothing more is read"
            )
        while line and not line.endswith(b"\n"):
            line = stream.readline(_CHUNK)
        yield f"{where}, line {number}", content if whole and len(content) <= max_bytes else None
        number += 1


def read_lines(
    path: Path, *, max_bytes: int = MAX_BYTES, encoding: str | None = None
) -> Iterator[tuple[str, str]]:
    """Yield (place, line) for every line, without its line end; the place reads "FILE, line N".

    Raises:
        InputError: as `open_bytes`, or a line is not UTF-8 or has more than `max_bytes` bytes.
    """
    first = True
    for where, line in scan_lines(path, max_bytes=max_bytes, encoding=encoding):
        yield where, decode_line(line, where, first=first, max_bytes=max_bytes)
        first = False


def decode_line(line: bytes | None, where: str, *, first: bool, max_bytes: int) -> str:
    """Decode a line that `scan_lines` gave; the first may begin with a byte order mark.

    Raises:
        InputError: it is not UTF-8, or was too long.
    """
    if line is None:
        raise InputError(f"{where}: longer than the limit of {max_bytes:,} bytes")
    return decode(line, where, mark=first)


def read_at_most(stream: BinaryIO, max_bytes: int, where: str, *, begun: int = 0) -> bytes:
    """Read the rest of a stream, of which `begun` bytes were read before.

    Raises:
        InputError: it holds more than `max_bytes` bytes; little more than those are read.
    """
    parts: list[bytes] = []
    size = begun
    while part := stream.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise InputError(f"{where}: larger than the limit of {max_bytes:,} bytes")
    return b"".join(parts)


def decode(data: bytes, where: str, *, mark: bool) -> str:
    """Decode UTF-8; where `mark`, without the byte order mark that it may begin with.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig" if mark else "utf-8")
    except UnicodeDecodeError as error:
        wrong = error.start
    # Raised out here: Python's own error holds all of the data, and `from None` would only hide it.
    seems = ", and begins as UTF-16 does" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else ""
    raise InputError(
        f"{where}: not UTF-8 (byte {wrong}){seems}: name its encoding (--encoding), or convert it first"
    )


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, object) for every line of a JSONL file that is not blank.

    Raises:
        InputError: as `read_lines`, or a line is not a JSON object.
    """
    for where, line in read_lines(path):
        if line.strip():
            yield where, parse_object(line, where)
