"""Texts and pairs to read, and labels or vectors to write, one outcome each."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clinspan.errors import InputError
from clinspan.extract.notes import Entry, ReadOptions, list_notes
from clinspan.extract.outcomes import Answered, Failure, Readable
from clinspan.extract.output import failure_as_jsonl, failure_as_table, json_line
from clinspan.texts import Text

# What holds the names of the rows of a file of vectors.
IDS_SUFFIX = ".ids.jsonl"


@dataclass(frozen=True, slots=True)
class TextEntry:
    """A text or a pair that is about to be read, as `Entry` is a note."""

    id: str
    where: str
    read: Callable[[], Text]


def list_texts(
    sources: Sequence[str], options: ReadOptions, pair_field: str | None
) -> Iterator[Readable[Text]]:
    """List the texts in files as `list_notes` does; with a second field, pairs of it and the first."""
    if pair_field is None:
        for entry in list_notes(sources, options):
            yield TextEntry(entry.id, entry.where, entry.read)
        return
    seconds = list_notes(sources, replace(options, text_field=pair_field, left_out=type(options.left_out)()))
    for first, second in zip(list_notes(sources, options), seconds, strict=True):
        yield TextEntry(first.id, first.where, _reader(first, second))


def _reader(first: Entry, second: Entry) -> Callable[[], Text]:
    return lambda: (first.read(), second.read())


def shown(outcome: Answered[Text, Any] | Failure, form: str) -> str:
    """Write one outcome as `jsonl` or for a `table`."""
    if isinstance(outcome, Failure):
        return (failure_as_jsonl if form == "jsonl" else failure_as_table)(outcome.id, outcome.reason)
    if isinstance(outcome.found, np.ndarray):
        # The shortest decimals that are the same float32.
        return json_line({"id": outcome.id, "vector": [float(str(number)) for number in outcome.found]})
    if form == "jsonl":
        rows = [{**one.to_dict(), "score": round(one.score, 6)} for one in outcome.found]
        return json_line({"id": outcome.id, "labels": rows})
    name = " ".join(outcome.id.split())
    chosen = ", ".join(one.label for one in outcome.found if one.chosen)
    lines = [f"# {name}: {chosen or 'no label chosen'}"]
    lines += [f"{one.score:>9.4f}  {'*' if one.chosen else ' '} {one.label}" for one in outcome.found]
    return "\n".join(lines)


@contextmanager
def vector_file(path: Path, dimension: int) -> Iterator[Callable[[Answered[Text, Any] | Failure], None]]:
    """Write vectors to a .npy file, float32 (n, d), and the names of its rows beside it, when all are there.

    A text that failed has a row of NaN, and its error beside its name.

    Raises:
        InputError: the file cannot be written.
    """
    names: list[str] = []
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent) as body:

            def write(outcome: Answered[Text, Any] | Failure) -> None:
                row, name = np.full(dimension, np.nan, np.float32), {"id": outcome.id}
                if isinstance(outcome, Failure):
                    name["error"] = outcome.reason
                else:
                    row = outcome.found
                names.append(json.dumps(name))
                body.write(row.tobytes())

            yield write
            body.seek(0)
            with path.open("wb") as stream:
                header = {"descr": "<f4", "fortran_order": False, "shape": (len(names), dimension)}
                np.lib.format.write_array_header_1_0(stream, header)
                shutil.copyfileobj(body, stream)
        Path(f"{path}{IDS_SUFFIX}").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
