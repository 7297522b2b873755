"""Files with a note in each row: JSON lines, JSON arrays, CSV, TSV, Parquet (the extra `arrow`)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from typing import BinaryIO

from clinspan.errors import InputError
from clinspan.extract.inputs.entry import Entry, ReadOptions, Source, failing, from_row
from clinspan.interop.tables import import_arrow
from clinspan.strict_json import kind, parse_json, parse_object
from clinspan.textfiles import MAX_BLANK_LINES, decode_line

_SEPARATORS = {"csv": ",;\t|", "tsv": "\t"}


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
    """Read the objects of a JSON array, or the one object that a file holds."""
    value = parse_json(text, str(source.path))
    if isinstance(value, dict):
        yield from_row(value, source.name, str(source.path), options)
        return
    if not isinstance(value, list) or not value:
        raise InputError(
            f"{source.path}: the JSON holds no notes: expected an array of objects, or one object"
        )
    for number, row in enumerate(value, start=1):
        where, name = f"{source.path}, item {number}", f"{source.prefix}{number}"
        if isinstance(row, dict):
            yield from_row(row, name, where, options)
        else:
            yield failing(name, where, f"{where}: {kind(row)}, expected an object")


def separated(source: Source, stream: BinaryIO, form: str, options: ReadOptions) -> Iterator[Entry]:
    """Read a note from each row of CSV or TSV, by the names of the columns in the first row."""
    # Python's limit of 131,072 characters in a field is one for the process; longer notes are usual.
    csv.field_size_limit(max(csv.field_size_limit(), options.max_bytes))
    text = TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    number, blank, problem = 0, 0, ""
    try:
        columns, separator = _columns(text.readline(), form, options)
        for wanted in options.text_fields:
            if wanted not in columns:
                raise InputError(
                    f"{source.path}: the first line names no column {wanted!r}: {_flag(wanted, options)} names the one "
                    "that holds the note"
                )
        for number, row in enumerate(csv.reader(text, delimiter=separator, strict=True), start=1):
            blank = 0 if row else blank + 1
            if blank > MAX_BLANK_LINES:
                problem = "too many blank lines, one after another: nothing more is read"
                break
            if row:
                yield _row(row, columns, number, source, options)
    except UnicodeDecodeError:
        problem = "not UTF-8: convert it first"
    except csv.Error:
        problem = "not well-formed: a quotation mark is missing, or one too many"
    finally:
        text.detach()
    if problem or not number:
        after = f", after row {number}" if number else ""
        yield failing(source.name, str(source.path), f"{source.path}{after}: {problem or 'no row to read'}")


def _flag(column: str, options: ReadOptions) -> str:
    return "--text-field" if column == options.text_field else "--pair-field"


def _columns(line: str, form: str, options: ReadOptions) -> tuple[list[str], str]:
    """Split the first line by the first separator that gives the column of notes."""
    tried = []
    for separator in _SEPARATORS[form]:
        (names,) = list(csv.reader([line], delimiter=separator)) or [[]]
        tried.append(([name.strip() for name in names], separator))
    return next((found for found in tried if options.text_field in found[0]), tried[0])


def _row(row: list[str], columns: list[str], number: int, source: Source, options: ReadOptions) -> Entry:
    where, name = f"{source.path}, row {number}", f"{source.prefix}{number}"
    if len(row) != len(columns):
        return failing(
            name, where, f"{where}: {len(row)} fields, expected {len(columns)} as in the first line"
        )
    return from_row(dict(zip(columns, row, strict=True)), name, where, options)


def parquet(source: Source, options: ReadOptions) -> Iterator[Entry]:
    """Read a note from each row of a Parquet file.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    if source.is_stdin:
        raise InputError(f"{source.path}: Parquet cannot be read from standard input: name its file")
    arrow = import_arrow()
    from pyarrow import parquet as reader

    try:
        with reader.ParquetFile(source.path) as file:
            names = file.schema_arrow.names
            for needed in options.text_fields:
                if needed not in names:
                    raise InputError(
                        f"{source.path}: no column {needed!r}: {_flag(needed, options)} names the one that holds the note"
                    )
            wanted = [*options.text_fields, *({options.id_field} & set(names))]
            number = 0
            for batch in file.iter_batches(batch_size=256, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    where = f"{source.path}, row {number}"
                    yield from_row(row, f"{source.prefix}{number}", where, options)
    except (arrow.ArrowException, OSError) as error:
        problem = type(error).__name__
    else:
        return
    # Raised out here: the library's own error may quote the file.
    raise InputError(f"{source.path}: not a Parquet file that can be read ({problem})")
