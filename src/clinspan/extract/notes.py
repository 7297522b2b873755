"""Read notes from text files, standard input, JSONL with a text field, gzip of either, and folders of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clinspan.errors import InputError
from clinspan.extract.folder import NOTE_SUFFIXES, walk
from clinspan.strict_json import kind, parse_object
from clinspan.textfiles import MAX_BYTES, decode, decode_line, open_bytes, read_at_most, scan_lines


@dataclass(frozen=True, slots=True)
class Note:
    """A note and the name that its results carry: the file's path, or the id that its JSONL line gives."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A note that has not been read yet.

    Attributes:
        id: as in `Note`; the line number if the line cannot be read.
        where: file, or file and line.
        read: returns the text, or raises InputError, whose message names `where` and contains nothing of the text.
    """

    id: str
    where: str
    read: Callable[[], str]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read notes.

    Attributes:
        text_field: field of a JSONL line that holds the note.
        id_field: field of a JSONL line that names it; a line without this field is named by its number.
        max_bytes: longest JSONL line and largest text file that is read, decompressed.
        exclude: a file that is not read even if it lies in a folder of notes.
        left_out: counts, by kind, the files in folders that are not notes.
    """

    text_field: str = "text"
    id_field: str = "id"
    max_bytes: int = MAX_BYTES
    exclude: Path | None = None
    left_out: Counter[str] = field(default_factory=Counter)


def read_notes(sources: Sequence[str], *, text_field: str = "text", id_field: str = "id") -> Iterator[Note]:
    """Read notes from files, lazily, as `list_notes` finds them; the first error is raised.

    Raises:
        InputError: a file cannot be read, is empty or not UTF-8, or a line is not a note as the options say.
    """
    for entry in list_notes(sources, ReadOptions(text_field, id_field)):
        yield Note(entry.id, entry.read())


def list_notes(sources: Sequence[str], options: ReadOptions) -> Iterator[Entry]:
    """List the notes in files, lazily, always in the same order, in bounded memory.

    What cannot be read is an entry too, in its place, whose `read` raises: nothing is skipped silently.

    Args:
        sources: paths; `-` is standard input. A path that ends in .jsonl or .jsonl.gz holds one JSON object
            on each line. A folder stands for the note files in it and below it, each named by its path
            relative to the folder.
        options: how to read them.
    """
    for source in sources:
        path = Path(source)
        if source == "-" or not path.is_dir():
            yield from _file(source, path, source, "", options)
            continue
        empty = True
        for found in walk(path, left_out=options.left_out, exclude=options.exclude):
            empty = False
            if found.problem:
                yield _failing(found.name, str(found.path), found.problem)
            else:
                yield from _file(str(found.path), found.path, found.name, f"{found.name}:", options)
        if empty:
            yield _failing(".", source, f"{source}: no note to read: expected {', '.join(NOTE_SUFFIXES)}")


def _file(source: str, path: Path, name: str, prefix: str, options: ReadOptions) -> Iterator[Entry]:
    if source.lower().endswith((".jsonl", ".jsonl.gz")):
        return _jsonl(path, name, prefix, options)
    return iter((Entry(name, source, lambda: _read_text(source, path, options.max_bytes)),))


def _read_text(source: str, path: Path, max_bytes: int) -> str:
    if source == "-":
        try:
            data = read_at_most(sys.stdin.buffer, max_bytes, source)
        except OSError as error:
            raise InputError(f"{source}: {error.strerror}") from error
    else:
        with open_bytes(path) as stream:
            data = read_at_most(stream, max_bytes, source)
    text = decode(data, source, mark=True)
    if not text:
        raise InputError(f"{source}: empty, no note to read")
    return text


def _jsonl(path: Path, name: str, prefix: str, options: ReadOptions) -> Iterator[Entry]:
    empty = True
    number = 0
    try:
        for number, (where, line) in enumerate(scan_lines(path, max_bytes=options.max_bytes), start=1):
            entry = _line(line, where, number, prefix, options)
            if entry is not None:
                empty = False
                yield entry
    except InputError as error:
        yield _failing(name, str(path), str(error))
        return
    if empty:
        yield _failing(name, str(path), f"{path}: empty, no note to read")


def _line(line: bytes | None, where: str, number: int, prefix: str, options: ReadOptions) -> Entry | None:
    """Make the entry of a line; None for a line of whitespace."""
    name = f"{prefix}{number}"
    try:
        content = decode_line(line, where, first=number == 1, max_bytes=options.max_bytes)
        if not content.strip():
            return None
        row = parse_object(content, where)
    except InputError as error:
        return _failing(name, where, str(error))
    given, text = row.get(options.id_field), row.get(options.text_field)
    if isinstance(given, dict | list):
        return _failing(
            name, where, f"{where}: the field {options.id_field!r} is {kind(given)}, expected a name"
        )
    name = name if given in (None, "") else str(given)
    if not isinstance(text, str):
        return _failing(
            name, where, f"{where}: the field {options.text_field!r} is {kind(text)}, expected a string"
        )
    return Entry(name, where, lambda: text)


def _failing(name: str, where: str, problem: str) -> Entry:
    # The message alone: an exception would keep what it was raised about.
    def read() -> str:
        raise InputError(problem)

    return Entry(name, where, read)
