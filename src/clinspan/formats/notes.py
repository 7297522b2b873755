"""Notes to read: text files, standard input, and JSONL with a text field."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clinspan.errors import InputError


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
    try:
        with path.open("rb") as stream:
            empty = True
            for number, note in _parse_lines(stream, path, text_field, id_field):
                empty = False
                yield Note(note.id or str(number), note.text)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if empty:
        raise InputError(f"{path}: empty, no note to read")


def _parse_lines(stream: BinaryIO, path: Path, text_field: str, id_field: str) -> Iterator[tuple[int, Note]]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        row = _parse_object(_decode(line, where), where)
        text = row.get(text_field)
        if not isinstance(text, str):
            raise InputError(f"{where}: the field {text_field!r} is {_kind(text)}, expected a string")
        name = row.get(id_field)
        yield number, Note("" if name is None else str(name), text)


def _parse_object(line: str, where: str) -> dict[str, Any]:
    # The cause is left out of both: a JSON error carries the whole line.
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON{_position(error)}") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: {_kind(row)}, expected a JSON object")
    return row


def _decode(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 (byte {error.start}): convert it first") from None


def _position(error: Exception) -> str:
    return f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""


def _kind(value: object) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"
