"""Texts with labels of the whole: this project's JSONL, AutoML's, CSV and TSV; what classifiers learn from and are scored on.

Own JSONL: `{"id", "text", "label"}` or `"labels": [...]`, and `"text_pair"` where two texts are read together. In CSV and
TSV the columns have the same names, and several labels stand in one cell, parted by `|`.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from clinspan.errors import InputError
from clinspan.strict_json import kind
from clinspan.textfiles import read_objects
from clinspan.texts import Text

_TABLES = {".csv": ",", ".tsv": "\t"}
_SEVERAL = "|"
_AUTOML_ONE, _AUTOML_MANY = "classificationAnnotation", "classificationAnnotations"


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, or two that are read together, and the labels that annotators gave it."""

    id: str
    text: Text
    labels: frozenset[str]


def read_labelled(path: str | Path, *, label_field: str | None = None) -> Iterator[LabelledText]:
    """Read texts with labels, lazily.

    Args:
        path: a file that ends in .jsonl, .csv or .tsv, or one of these with .gz.
        label_field: field or column that holds the label or labels; None for `label` or `labels`.

    Raises:
        InputError: the format is unknown or the data breaks it; the message gives file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix == ".jsonl":
        rows: Iterator[tuple[str, Mapping[str, Any]]] = read_objects(path)
    elif suffix in _TABLES:
        rows = _table(path, _TABLES[suffix])
    else:
        raise InputError(f"{path}: cannot tell its format by its name; expected .jsonl, .csv or .tsv")
    for number, (where, row) in enumerate(rows, start=1):
        yield _parse(row, where, str(number), label_field)


# Fields of entities: a row with one of them has labels of parts of its text, if any.
_OF_ENTITIES = {"entities", "spans", "ents", "tokens", "annotations", "textSegmentAnnotations"}


def holds_labels(path: str | Path) -> bool:
    """Tell whether a file is one of whole texts with labels, by its rows up to the first that has a label."""
    path = Path(path)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if not path.is_file() or suffix not in (".jsonl", *_TABLES):
        return False
    try:
        if suffix == ".jsonl" and any(_OF_ENTITIES & row.keys() for _, row in islice(read_objects(path), 1)):
            return False
        return any(one.labels for one in read_labelled(path))
    except InputError:
        return False


def _table(path: Path, delimiter: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter=delimiter, strict=True)
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise InputError(f"{where}: it has more or fewer cells than the first line")
                labels = row.get("labels")
                yield where, row if labels is None else {**row, "labels": _cells(labels)}
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__})") from None
    except (csv.Error, UnicodeDecodeError) as error:
        problem = type(error).__name__
    else:
        return
    # Raised out here: those errors hold the text.
    raise InputError(f"{path}: not a table in UTF-8 ({problem})")


def _cells(value: str) -> list[str]:
    return [label.strip() for label in value.split(_SEVERAL) if label.strip()]


def _parse(row: Mapping[str, Any], where: str, name: str, label_field: str | None) -> LabelledText:
    if "text" not in row and ("textContent" in row or "textGcsUri" in row):
        return _automl(row, where, name)
    first, second, found = row.get("text"), row.get("text_pair"), row.get("id")
    if not isinstance(first, str) or not isinstance(second, str | None):
        wrong = first if not isinstance(first, str) else second
        raise InputError(f"{where}: text is {kind(wrong)}, expected a string")
    if isinstance(found, dict | list):
        raise InputError(f"{where}: id is {kind(found)}, expected a name")
    if label_field is None:
        label_field = "labels" if "labels" in row else "label"
    given = row.get(label_field)
    labels = [given] if isinstance(given, str) else given
    if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
        raise InputError(f"{where}: {label_field} is {kind(given)}, expected a name or a list of names")
    text: Text = first if second is None else (first, second)
    return LabelledText(name if found in (None, "") else str(found), text, frozenset(labels))


def _automl(row: Mapping[str, Any], where: str, name: str) -> LabelledText:
    """https://cloud.google.com/vertex-ai/docs/text-data/classification/prepare-data."""
    text = row.get("textContent")
    if not isinstance(text, str):
        raise InputError(
            f"{where}: textContent is {kind(text)}, expected a string; texts elsewhere are not read"
        )
    found = row.get(_AUTOML_MANY, [row[_AUTOML_ONE]] if _AUTOML_ONE in row else [])
    names = [one.get("displayName") if isinstance(one, dict) else None for one in found]
    if not all(isinstance(label, str) and label for label in names):
        raise InputError(f"{where}: an annotation has no displayName")
    return LabelledText(name, text, frozenset(str(label) for label in names))
