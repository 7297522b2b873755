"""Notes in JSON: a note in each line, or in each item of an array."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from clinspan.errors import InputError
from clinspan.extract.inputs.entry import Entry, ReadOptions, Source, failing, from_row
from clinspan.strict_json import kind, parse_json, parse_object
from clinspan.textfiles import decode_line


def json_lines(
    lines: Iterable[tuple[str, bytes | None]], source: Source, options: ReadOptions
) -> Iterator[Entry]:
    """Read a JSON object from each line; `lines` are those of `textfiles.scan_lines`."""
    empty = True
    try:
        for number, (where, line) in enumerate(lines, start=1):
            entry = _line(line, where, number, source.prefix, options)
            if entry is not None:
                empty = False
                yield entry
    except InputError as error:
        yield failing(source.name, str(source.path), str(error))
        return
    if empty:
        yield failing(source.name, str(source.path), f"{source.path}: empty, no note to read")


def _line(line: bytes | None, where: str, number: int, prefix: str, options: ReadOptions) -> Entry | None:
    """Make the entry of a line; None for a line of whitespace."""
    name = f"{prefix}{number}"
    try:
        content = decode_line(line, where, first=number == 1, max_bytes=options.max_bytes)
        if not content.strip():
            return None
        row = parse_object(content, where)
    except InputError as error:
        return failing(name, where, str(error))
    return from_row(row, name, where, options)


def json_array(text: str, source: Source, options: ReadOptions) -> Iterator[Entry]:
    """Read the objects or texts of a JSON array, or the one object that a file holds."""
    value = parse_json(text, str(source.path))
    if isinstance(value, dict):
        yield from_row(value, source.name, str(source.path), options)
        return
    if not isinstance(value, list) or not value:
        raise InputError(
            f"{source.path}: the JSON holds no notes: expected an array of objects or of texts, or one object"
        )
    for number, row in enumerate(value, start=1):
        where, name = f"{source.path}, item {number}", f"{source.prefix}{number}"
        if isinstance(row, str) and options.second_field is None:
            yield Entry(name, where, lambda row=row: row)  # type: ignore[misc]
        elif isinstance(row, dict):
            yield from_row(row, name, where, options)
        else:
            yield failing(name, where, f"{where}: {kind(row)}, expected an object")
