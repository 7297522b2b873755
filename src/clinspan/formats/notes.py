"""Notes to read: text files, standard input, and JSONL with a text field."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinspan.errors import InputError
from clinspan.formats.lines import kind, parse_object, read_lines


@dataclass(frozen=True, slots=True)
class Note:
    """A note and the name that its results carry: the file's path, or the id that its JSONL line gives."""

    id: str
    text: str


def read_notes(sources: Sequence[str], *, text_field: str = "text", id_field: str = "id") -> Iterator[Note]:
    """Read notes from files, lazily.

    Args:
        sources: paths; `-` is standard input. A path that ends in .jsonl holds one JSON object a line.
        text_field: field of a JSONL line that holds the note.
        id_field: field of a JSONL line that names it; the line number where a line has none.

    Raises:
        InputError: a file cannot be read, is empty or not UTF-8, or a line is not what it should be; no
            message contains text of a note.
    """
    for source in sources:
        if source.endswith(".jsonl"):
            yield from _read_jsonl(Path(source), text_field, id_field)
        else:
            yield Note(source, _read_text(source))


def _read_text(source: str) -> str:
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}") from error
    text = _decode(data, source)
    if not text:
        raise InputError(f"{source}: empty, no note to read")
    return text


def _read_jsonl(path: Path, text_field: str, id_field: str) -> Iterator[Note]:
    empty = True
    for number, (where, line) in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        row = parse_object(line, where)
        text, name = row.get(text_field), row.get(id_field)
        if not isinstance(text, str):
            raise InputError(f"{where}: the field {text_field!r} is {kind(text)}, expected a string")
        empty = False
        yield Note(str(number) if name in (None, "") else str(name), text)
    if empty:
        raise InputError(f"{path}: empty, no note to read")


def _decode(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 (byte {error.start}): convert it first") from None
