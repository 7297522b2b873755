"""Write outcomes where they go: standard output, a file that grows, a folder of BRAT files, a Parquet file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from clinspan.documents.formats import brat
from clinspan.errors import InputError
from clinspan.extract.outcomes import Failure, Result
from clinspan.extract.output_formats import TABLE_COLUMNS, Format, as_document, table_rows
from clinspan.interop.tables import arrow_schema, import_arrow
from clinspan.textfiles import write_whole

Write = Callable[[Result | Failure], None]

# Rows that are kept before a group of them is written: few enough for memory, enough to compress well.
_ROW_GROUP = 50_000


@contextmanager
def text_writer(form: Format, write: Callable[[str], None], *, begun: bool = False) -> Iterator[Write]:
    """Write outcomes as text, note by note, with the format's head and tail around them.

    Args:
        form: how to write them.
        write: writes lines.
        begun: whether the head was written before, by a run that this one continues.
    """
    if form.head and not begun:
        write(form.head)

    def add(outcome: Result | Failure) -> None:
        if isinstance(outcome, Result):
            text = form.show(outcome)
        else:
            text = "" if form.fail is None else form.fail(outcome)
        if text:
            write(text)

    yield add
    if form.tail:
        write(form.tail)


@contextmanager
def brat_writer(folder: Path) -> Iterator[Write]:
    """Write each note as NAME.txt and NAME.ann into a folder.

    A note's id becomes its file name: without `.txt`, and with `_` for what a file name cannot hold.

    Raises:
        InputError: two notes get one name, or a file cannot be written.
    """
    names: set[str] = set()

    def add(outcome: Result | Failure) -> None:
        if isinstance(outcome, Failure):
            return
        name = re.sub(r'[/\\:*?"<>|\0]+|^\.+', "_", outcome.note.id.removesuffix(".txt")) or "_"
        if name in names:
            raise InputError(f"two notes would be written as {name}.txt: give each an id of its own")
        names.add(name)
        brat.write([replace(as_document(outcome), id=name)], folder)

    folder.mkdir(parents=True, exist_ok=True)
    yield add


@contextmanager
def parquet_writer(path: Path) -> Iterator[Write]:
    """Write rows to a Parquet file, which takes its place when the run ends, whole or not at all.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    arrow = import_arrow()
    from pyarrow import parquet

    schema = arrow_schema(TABLE_COLUMNS)
    rows: list[dict[str, Any]] = []
    with write_whole(path) as made, parquet.ParquetWriter(made, schema) as file:

        def flush() -> None:
            file.write_table(arrow.Table.from_pylist(rows, schema=schema))
            rows.clear()

        def add(outcome: Result | Failure) -> None:
            rows.extend(table_rows(outcome))
            if len(rows) >= _ROW_GROUP:
                flush()

        yield add
        flush()
