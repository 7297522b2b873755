"""Texts and pairs to read, and labels or vectors to write, one outcome each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clinspan.errors import InputError
from clinspan.extract.notes import Entry, ReadOptions, list_notes
from clinspan.extract.outcomes import Answered, Failure, Readable
from clinspan.extract.output import failure_as_jsonl, failure_as_table, json_line
from clinspan.interop import huggingface
from clinspan.interop.tables import import_arrow
from clinspan.textfiles import printable, write_whole
from clinspan.texts import Text

# What holds the names of the rows of a file of vectors.
IDS_SUFFIX = ".ids.jsonl"

# Vectors that are kept before they are written as a group: 15 MB of 768 numbers each.
_ROW_GROUP = 5_000

TextOutcome = Answered[Text, Any] | Failure
WriteText = Callable[[TextOutcome], None]


@dataclass(frozen=True, slots=True)
class TextEntry:
    """A text or a pair that is about to be read, as `Entry` is a note."""

    id: str
    where: str
    read: Callable[[], Text]


def list_texts(sources: Sequence[str], options: ReadOptions) -> Iterator[Readable[Text]]:
    """List the texts in files as `list_notes` does; where a second field is named, pairs of the two in a row."""
    for entry in list_notes(sources, options):
        read = entry.read if options.second_field is None else _reader(entry, options.second_field)
        yield TextEntry(entry.id, entry.where, read)


def _reader(entry: Entry, field: str) -> Callable[[], Text]:
    def read() -> Text:
        first = entry.read()
        if entry.second is None:
            raise InputError(f"{entry.where}: a text alone: a pair is a row with the field {field!r} too")
        return first, entry.second

    return read


def shown(outcome: TextOutcome, form: str) -> str:
    """Write one outcome as `jsonl`, as `huggingface`, or for a `table`."""
    if isinstance(outcome, Failure):
        return (failure_as_table if form == "table" else failure_as_jsonl)(outcome.id, outcome.reason)
    if isinstance(outcome.found, np.ndarray):
        # The shortest decimals that are the same float32.
        return json_line({"id": outcome.id, "vector": [float(str(number)) for number in outcome.found]})
    if form == "huggingface":
        return json_line({"id": outcome.id, "labels": huggingface.labels(outcome.found, top_k=None)})
    if form == "jsonl":
        rows = [{**one.to_dict(), "score": round(one.score, 6)} for one in outcome.found]
        return json_line({"id": outcome.id, "labels": rows})
    chosen = ", ".join(one.label for one in outcome.found if one.chosen)
    lines = [f"# {' '.join(outcome.id.split())}: {chosen or 'no label chosen'}"]
    lines += [f"{one.score:>9.4f}  {'*' if one.chosen else ' '} {one.label}" for one in outcome.found]
    return "\n".join(map(printable, lines))


@contextmanager
def vector_file(path: Path, dimension: int) -> Iterator[WriteText]:
    """Write vectors to a .npy file, float32 (n, d), and the names of its rows beside it, when all are there.

    A text that failed has a row of NaN, and its error beside its name.

    Raises:
        InputError: the file cannot be written.
    """
    count = 0
    with _named(path), write_whole(Path(f"{path}{IDS_SUFFIX}")) as ids, write_whole(path) as made:
        body = made.with_name("body")
        with ids.open("w", encoding="utf-8") as names, body.open("wb") as rows:

            def write(outcome: TextOutcome) -> None:
                nonlocal count
                row, name = np.full(dimension, np.nan, np.float32), {"id": outcome.id}
                if isinstance(outcome, Failure):
                    name["error"] = outcome.reason
                else:
                    row = outcome.found
                names.write(json.dumps(name) + "\n")
                rows.write(row.tobytes())
                count += 1

            yield write
        with made.open("wb") as stream, body.open("rb") as written:
            header = {"descr": "<f4", "fortran_order": False, "shape": (count, dimension)}
            np.lib.format.write_array_header_1_0(stream, header)
            shutil.copyfileobj(written, stream)


@contextmanager
def vector_table(path: Path, dimension: int) -> Iterator[WriteText]:
    """Write vectors to a Parquet file of the columns id, vector (a list of float32) and error, when all are there.

    Raises:
        InputError: the file cannot be written.
        MissingDependencyError: pyarrow is not installed.
    """
    arrow = import_arrow()
    from pyarrow import parquet

    text = arrow.string()
    columns = [("id", text), ("vector", arrow.list_(arrow.float32(), dimension)), ("error", text)]
    schema = arrow.schema(columns)
    kept: list[TextOutcome] = []
    with _named(path), write_whole(path) as made, parquet.ParquetWriter(made, schema) as file:

        def flush() -> None:
            failed = [isinstance(one, Failure) for one in kept]
            none = np.zeros(dimension, np.float32)
            rows = [none if isinstance(one, Failure) else one.found for one in kept]
            flat = np.concatenate(rows) if rows else none[:0]
            vectors = arrow.FixedSizeListArray.from_arrays(
                arrow.array(flat, arrow.float32()), dimension, mask=arrow.array(failed, arrow.bool_())
            )
            errors = [one.reason if isinstance(one, Failure) else None for one in kept]
            ids = [one.id.encode("utf-8", "replace").decode() for one in kept]
            file.write_table(
                arrow.Table.from_arrays(
                    [arrow.array(ids, text), vectors, arrow.array(errors, text)], schema=schema
                )
            )
            kept.clear()

        def write(outcome: TextOutcome) -> None:
            kept.append(outcome)
            if len(kept) >= _ROW_GROUP:
                flush()

        yield write
        flush()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
