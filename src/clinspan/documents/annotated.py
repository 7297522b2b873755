"""Read annotated documents in whichever of the known formats a path holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clinspan.documents.document import Document
from clinspan.documents.formats import automl, brat, conll
from clinspan.documents.formats import jsonl as own
from clinspan.errors import InputError
from clinspan.textfiles import read_objects

FORMATS = ("automl", "jsonl", "brat", "conll")


def read_annotated(path: str | Path, *, format: str | None = None) -> Iterator[Document]:
    """Read annotated documents, lazily.

    Args:
        path: a JSONL file (AutoML's or this project's), a folder in BRAT standoff, or a CoNLL file.
        format: one of `FORMATS`; None to tell it by the path and the first line.

    Raises:
        InputError: the format is unknown or the data breaks it; the message gives file and line.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    chosen = _guess(path) if format is None else format
    readers = {"automl": automl.read, "jsonl": own.read, "brat": brat.read, "conll": conll.read}
    if chosen not in readers:
        raise InputError(f"unknown format {chosen!r}: expected one of {', '.join(FORMATS)}")
    return readers[chosen](path)


def _guess(path: Path) -> str:
    if path.is_dir():
        return "brat"
    if path.suffix in (".conll", ".bio", ".iob", ".tsv"):
        return "conll"
    if path.suffix not in (".jsonl", ".json"):
        raise InputError(
            f"{path}: its name does not tell its format: expected .jsonl, .conll, .bio, .iob, .tsv or a folder of BRAT "
            "files, or name the format"
        )
    for _, row in read_objects(path):
        return line_format(row)
    raise InputError(f"{path}: empty, no document to read")


def line_format(row: Mapping[str, Any]) -> str:
    """Tell the format of a JSONL file by the object on one of its lines."""
    return "jsonl" if "text" in row else "automl"
