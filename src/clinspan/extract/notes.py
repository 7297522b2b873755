"""Read notes from files of any kind, standard input, gzip, and folders of files, one after another."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from clinspan.errors import InputError
from clinspan.extract.folder import walk
from clinspan.extract.inputs import columns, hl7, markup, rows
from clinspan.extract.inputs.entry import Entry, Note, ReadOptions, Source, failing
from clinspan.extract.inputs.kinds import foreign, is_object, kind_by_content, kind_by_name, suffixes
from clinspan.textfiles import decode, in_utf8, lines_of, open_bytes, read_at_most, scan_lines

__all__ = ["Entry", "Note", "ReadOptions", "list_notes", "read_notes"]

# Bytes that tell what a text holds.
_HEAD = 65_536


def read_notes(sources: Sequence[str], *, text_field: str = "text", id_field: str = "id") -> Iterator[Note]:
    """Read notes from files, lazily, as `list_notes` finds them; the first error is raised.

    Raises:
        InputError: a file cannot be read, is empty or not UTF-8, or a line is not a note as the options say.
        MissingDependencyError: reading a file of its kind needs an extra.
    """
    for entry in list_notes(sources, ReadOptions(text_field, id_field)):
        yield Note(entry.id, entry.read())


def list_notes(sources: Sequence[str], options: ReadOptions) -> Iterator[Entry]:
    """List the notes in files, lazily, always in the same order, in bounded memory.

    What cannot be read is an entry too, in its place, whose `read` raises: nothing is skipped silently.

    Args:
        sources: paths; `-` is standard input. The name of a file says what it holds, or else its beginning. A folder
            stands for the note files in it and below it, each named by its path relative to the folder.
        options: how to read them.
    """
    for source in sources:
        path = Path(source)
        if source == "-" or not path.is_dir():
            yield from _file(Source(path, source), options)
            continue
        empty = True
        wanted = suffixes(options.kind)
        for found in walk(path, wanted, left_out=options.left_out, exclude=options.exclude):
            empty = False
            if found.problem:
                yield failing(found.name, str(found.path), found.problem)
            else:
                yield from _file(Source(found.path, found.name, f"{found.name}:"), options)
        if empty:
            yield failing(".", source, f"{source}: no note to read: expected {', '.join(wanted)}")


def _file(source: Source, options: ReadOptions) -> Iterator[Entry]:
    kind = options.kind or (None if source.is_stdin else kind_by_name(source.path))
    try:
        if kind is None and (source.is_stdin or not source.path.is_file()):
            yield from _stream(source, options)
        elif kind is None:
            yield from _of_kind(_peek(source.path, options) or "text", source, options)
        else:
            yield from _of_kind(kind, source, options)
    except InputError as error:
        yield failing(source.name, str(source.path), str(error))


def _of_kind(kind: str, source: Source, options: ReadOptions) -> Iterator[Entry]:
    if kind == "jsonl" and not _is_array(source, options):
        yield from rows.json_lines(_lines(source, options), source, options)
    elif kind in ("csv", "tsv"):
        with _opened(source, options) as stream:
            yield from columns.separated(source, stream, kind, options)
    elif kind == "parquet":
        yield from columns.parquet(source, options)
    else:
        yield from _text_kind(kind, source, lambda: _read_text(source, options), options)


def _text_kind(kind: str, source: Source, read: Callable[[], str], options: ReadOptions) -> Iterator[Entry]:
    """Make the entries of a file that is read whole."""
    where = str(source.path)
    if kind in ("json", "jsonl"):
        text = read()
        first, _, more = text.strip().partition("\n")
        if more.strip() and is_object(first):  # many write JSON lines into files that end in .json
            lines = lines_of(BytesIO(text.encode()), where, max_bytes=options.max_bytes)
            yield from rows.json_lines(lines, source, options)
        else:
            yield from rows.json_array(text, source, options)
    elif kind == "hl7":
        texts = list(hl7.messages(read(), where))
        for number, text in enumerate(texts, start=1):
            lone = len(texts) == 1
            name, place = (
                (source.name, where) if lone else (f"{source.prefix}{number}", f"{where}, message {number}")
            )
            yield Entry(name, place, lambda text=text: text)  # type: ignore[misc]
    elif kind == "xml":
        yield Entry(source.name, where, lambda: markup.cda_text(read(), where))
    elif kind == "html":
        yield Entry(source.name, where, lambda: markup.html_text(read(), where))
    elif kind == "rtf":
        yield Entry(source.name, where, lambda: markup.rtf_text(read(), where))
    else:
        yield Entry(source.name, where, read)


def _stream(source: Source, options: ReadOptions) -> Iterator[Entry]:
    """Read what can be read only once: JSON lines as they come, anything else whole."""
    with _opened(source, options) as stream:
        first = stream.readline(options.max_bytes + 2)
        if is_object(first.decode("utf-8-sig", "replace")):
            lines = chain(
                [(f"{source.path}, line 1", first.rstrip(b"\r\n"))],
                lines_of(stream, str(source.path), start=2, max_bytes=options.max_bytes),
            )
            yield from rows.json_lines(lines, source, options)
            return
        rest = read_at_most(stream, options.max_bytes, str(source.path), begun=len(first))
    data = first + rest
    _refuse_foreign(data, str(source.path))
    text = _decoded(data, str(source.path))
    kind = kind_by_content(text, options.text_field) or "text"
    if kind == "jsonl":  # below lines of whitespace
        yield from rows.json_lines(lines_of(BytesIO(data), str(source.path)), source, options)
    elif kind in ("csv", "tsv"):
        yield from columns.separated(source, BytesIO(data), kind, options)
    else:
        yield from _text_kind(kind, source, lambda: text, options)


def _peek(path: Path, options: ReadOptions) -> str | None:
    """Recognise a file by its content; None for a note, and for what the reader of notes will complain of.

    Raises:
        InputError: it is of a kind that is not read.
    """
    try:
        with open_bytes(path, encoding=options.encoding) as stream:
            data = stream.read(_HEAD)
            if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b"<"):  # may be one value or element
                data += read_at_most(stream, options.max_bytes, str(path))
    except InputError:
        return None
    _refuse_foreign(data, str(path))
    if data.startswith(b"PAR1"):
        return "parquet"
    return kind_by_content(data.decode("utf-8", "replace"), options.text_field)


def _refuse_foreign(data: bytes, where: str) -> None:
    what = foreign(data)
    if what is not None:
        raise InputError(f"{where}: {what}")


def _is_array(source: Source, options: ReadOptions) -> bool:
    """Say whether a file that is named for JSON lines holds one array."""
    if source.is_stdin or not source.path.is_file():
        return False
    try:
        with open_bytes(source.path, encoding=options.encoding) as stream:
            return stream.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["
    except InputError:  # cut off, say: the reader of lines complains after those that it could read
        return False


def _lines(source: Source, options: ReadOptions) -> Iterator[tuple[str, bytes | None]]:
    if not source.is_stdin:
        yield from scan_lines(source.path, max_bytes=options.max_bytes, encoding=options.encoding)
        return
    with _opened(source, options) as stream:
        yield from lines_of(stream, str(source.path), max_bytes=options.max_bytes)


def _read_text(source: Source, options: ReadOptions) -> str:
    with _opened(source, options) as stream:
        data = read_at_most(stream, options.max_bytes, str(source.path))
    return _decoded(data, str(source.path))


def _decoded(data: bytes, where: str) -> str:
    text = decode(data, where, mark=True)
    if not text:
        raise InputError(f"{where}: empty, no note to read")
    return text


@contextmanager
def _opened(source: Source, options: ReadOptions) -> Iterator[BinaryIO]:
    if not source.is_stdin:
        with open_bytes(source.path, encoding=options.encoding) as stream:
            yield stream
        return
    if sys.stdin is None:
        raise InputError(f"{source.path}: standard input is closed")
    try:
        yield in_utf8(sys.stdin.buffer, options.encoding, str(source.path))
    except OSError as error:
        raise InputError(f"{source.path}: {error.strerror}") from error
