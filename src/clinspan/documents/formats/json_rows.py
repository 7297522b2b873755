"""Rows of a JSON file: one object per line, or an array of them; plain or gzip."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from clinspan.documents.reading import ReadingRules
from clinspan.errors import InputError
from clinspan.strict_json import kind, parse_json
from clinspan.textfiles import MAX_BYTES, decode, open_bytes, read_at_most, read_lines

_SPACY_PAIR = 2


def read_rows(path: Path, rules: ReadingRules) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, object) for each object of a file; blank lines are skipped.

    A pair of a text and an object, as spaCy's training data has them, is one object with `text` in it.

    Raises:
        InputError: a line or an item is not a JSON object; the message gives its number.
    """
    for where, value in _values(path, rules):
        try:
            row = _object(value() if callable(value) else value, where)
        except InputError as error:
            rules.fault(error)
            continue
        yield where, row


def _object(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, list) and len(value) == _SPACY_PAIR:
        text, row = value
        if isinstance(text, str) and isinstance(row, dict):
            return {**row, "text": text}
    if not isinstance(value, dict):
        raise InputError(f"{where}: {kind(value)}, expected a JSON object")
    return value


def _values(path: Path, rules: ReadingRules) -> Iterator[tuple[str, Any]]:
    """Yield each JSON value with its place; for a line, the function that reads it."""
    whole = _whole(path, rules)
    if whole is None:
        for where, line in read_lines(path, encoding=rules.encoding):
            if line.strip():
                yield where, lambda line=line, where=where: parse_json(line, where)
    elif isinstance(whole, list) and not _is_pair(whole):
        for number, value in enumerate(whole, start=1):
            yield f"{path}, item {number}", value
    else:
        yield str(path), whole


def _is_pair(value: list[Any]) -> bool:
    return len(value) == _SPACY_PAIR and isinstance(value[0], str)


def _whole(path: Path, rules: ReadingRules) -> Any:
    """Read a file that is one JSON value over several lines, or one array; None for JSON lines."""
    first = ""
    for where, line in islice(_content(path, rules), 1):
        first = line.strip()
        try:
            value = parse_json(line, where)
        except InputError:
            break
        # A first line that is whole: the rest are lines like it, except that a lone array holds the rows.
        return value if isinstance(value, list) and not _is_pair(value) else None
    if first[:1] not in ("[", "{"):
        return None
    try:
        with open_bytes(path, encoding=rules.encoding) as stream:
            data = read_at_most(stream, MAX_BYTES, str(path))
        return parse_json(decode(data, str(path), mark=True), str(path))
    except InputError:
        # Lines, the first of which is broken, and which will say so.
        if first[0] == "{" and ":" in first:
            return None
        raise


def _content(path: Path, rules: ReadingRules) -> Iterator[tuple[str, str]]:
    for where, line in read_lines(path, encoding=rules.encoding):
        if line.strip():
            yield where, line
