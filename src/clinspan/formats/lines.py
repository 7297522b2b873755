"""Lines of annotated files, with the place that an error names. No message contains text of a note."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from clinspan.errors import InputError
from clinspan.formats.document import Entity


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (place, line) for every line, without its line end; the place reads "FILE, line N".

    Raises:
        InputError: the file cannot be read or is not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                where = f"{path}, line {number}"
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise InputError(f"{where}: not UTF-8 (byte {error.start}): convert it first") from None
                yield where, text.rstrip("\r\n")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def read_objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (place, object) for every line of a JSONL file that is not blank.

    Raises:
        InputError: as `read_lines`, or a line is no JSON object.
    """
    for where, line in read_lines(path):
        if line.strip():
            yield where, parse_object(line, where)


def parse_object(line: str, where: str) -> Mapping[str, Any]:
    """Parse one JSON object.

    Raises:
        InputError: it is none; the message says where.
    """
    # The cause is left out: a JSON error carries the whole line.
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        column = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"{where}: not valid JSON{column}") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: {kind(row)}, expected a JSON object")
    return row


def kind(value: object) -> str:
    """What a value is, for an error message."""
    return "missing" if value is None else f"a {type(value).__name__}"


def offset(value: object, name: str, where: str) -> int:
    """An offset in characters; numbers written as strings are taken, as protocol buffers write them so.

    Raises:
        InputError: it is no whole number.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit():
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
