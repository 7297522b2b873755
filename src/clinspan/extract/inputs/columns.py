"""Tables with a note in each row: CSV, TSV and Parquet (the extra `arrow`)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from typing import BinaryIO

from clinspan.errors import InputError
from clinspan.extract.inputs.entry import Entry, ReadOptions, Source, failing, from_row
from clinspan.interop.tables import import_arrow
from clinspan.textfiles import MAX_BLANK_LINES

# The usual separators of a kind, the likeliest first.
SEPARATORS = {"csv": ",;\t|", "tsv": "\t,;|"}

# A quotation mark that opens a name of a column and that nothing closes.
_OPEN = re.compile(r'(?:^|[,;\t|]) ?"(?:[^"]|"")*$')


class _Rows:
    """The rows of a stream of text, none longer than a limit.

    Attributes:
        number: of the rows that were read, without the line of names.
    """

    def __init__(self, text: TextIOWrapper, limit: int, where: str) -> None:
        self._text, self._limit, self._where = text, limit, where
        self._length = 0
        self.number = 0

    def header(self) -> str:
        """Read the first line; more where a name in quotation marks goes over a line end."""
        lines = self._lines()
        header = next(lines, "")
        if header.lower().startswith("sep=") and len(header.rstrip("\r\n")) == 5:  # a hint for Excel
            header = next(lines, "")
        parts, is_open = [header], bool(_OPEN.search(header))
        while is_open and (more := next(lines, "")):
            parts.append(more)
            is_open = more.count('"') % 2 == 0
        self._length = 0
        return "".join(parts)

    def rows(self, separator: str, *, spaced: bool) -> Iterator[list[str]]:
        """Read what follows, row by row; `spaced` where a space stands behind each separator."""
        reader = csv.reader(self._lines(), delimiter=separator, strict=True, skipinitialspace=spaced)
        for self.number, row in enumerate(reader, start=1):
            self._length = 0
            yield row

    def _lines(self) -> Iterator[str]:
        # Two more than the limit, for the line end.
        while line := self._text.readline(self._limit + 2):
            self._length += len(line)
            cut = len(line) > self._limit and not line.endswith(("\n", "\r"))
            if cut or self._length > self._limit + 2:
                after = f", after row {self.number}" if self.number else ""
                raise InputError(
                    f"{self._where}{after}: a row longer than the limit of {self._limit:,} bytes: nothing "
                    "more is read"
                )
            yield line


def separated(source: Source, stream: BinaryIO, form: str, options: ReadOptions) -> Iterator[Entry]:
    """Read a note from each row of CSV or TSV, by the names of the columns in the first row."""
    # Python's limit of 131,072 characters in a field is one for the process; longer notes are usual.
    csv.field_size_limit(max(csv.field_size_limit(), options.max_bytes))
    text = TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    where = str(source.path)
    rows = _Rows(text, options.max_bytes, where)
    blank, problem = 0, ""
    try:
        header = rows.header()
        columns, separator = _columns(header, form, options)
        _check_columns(columns, where, options)
        for row in rows.rows(separator, spaced=f"{separator} " in header):
            blank = 0 if row else blank + 1
            if blank > MAX_BLANK_LINES:
                problem = "too many blank lines, one after another: nothing more is read"
                break
            if row:
                yield _row(row, columns, rows.number, source, options)
    except UnicodeDecodeError:
        problem = "not UTF-8: name its encoding (--encoding), or convert it first"
    except csv.Error:
        problem = "not well-formed: a quotation mark is missing, or one too many"
    finally:
        text.detach()
    if problem or not rows.number:
        after = f", after row {rows.number}" if rows.number else ""
        yield failing(source.name, where, f"{where}{after}: {problem or 'no row to read'}")


def _flag(column: str, options: ReadOptions) -> str:
    return "--text-field" if column == options.text_field else "--pair-field"


def _columns(line: str, form: str, options: ReadOptions) -> tuple[list[str], str]:
    """Split the first line by the first separator that gives the column of notes."""
    tried = [(names_of(line, separator), separator) for separator in SEPARATORS[form]]
    return next((found for found in tried if options.text_field in found[0]), tried[0])


def names_of(line: str, separator: str) -> list[str]:
    """Split the names of columns; none where this separator does not make one row of them."""
    try:
        rows = list(csv.reader(line.splitlines(keepends=True), delimiter=separator, skipinitialspace=True))
    except csv.Error:
        return []
    return [name.strip() for name in rows[0]] if len(rows) == 1 else []


def _check_columns(columns: Sequence[str], where: str, options: ReadOptions) -> None:
    for wanted in options.text_fields:
        if wanted not in columns:
            alike = [name for name in columns if name.lower() == wanted.lower()]
            raise InputError(
                f"{where}: the first line names no column {wanted!r}{f', but {alike[0]!r}' if alike else ''}: "
                f"{_flag(wanted, options)} names the one that holds the note"
            )
    for wanted in (*options.text_fields, options.id_field):
        if columns.count(wanted) > 1:
            raise InputError(f"{where}: the first line names the column {wanted!r} twice: rename one of them")


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
        if not number:
            yield failing(source.name, str(source.path), f"{source.path}: no row to read")
        return
    # Raised out here: the library's own error may quote the file.
    raise InputError(f"{source.path}: not a Parquet file that can be read ({problem})")
