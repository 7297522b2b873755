"""The caller's own notes to judge a model on: a folder of .txt files, or JSONL with gold where there is some."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinspan_export.errors import ExportError
from clinspan_export.samples import SAMPLES
from clinspan_export.scores import Place


@dataclass(frozen=True, slots=True)
class Sample:
    """A note to judge a model on.

    Attributes:
        id: name that reports use; never its text.
        text: the note.
        gold: label, start, end of each true entity; None where nobody annotated the note.
    """

    id: str
    text: str
    gold: tuple[Place, ...] | None = None


def own_samples() -> list[Sample]:
    """Notes written for this purpose, where the caller gives none."""
    return [Sample(f"sample-{number}", text) for number, text in enumerate(SAMPLES, start=1)]


def read_samples(path: Path) -> list[Sample]:
    """Read notes from a folder of .txt files or from a .jsonl file.

    A JSONL line is an object with `text`, perhaps `id`, and perhaps gold as `entities` or `spans`: objects
    with `label`, `start` and `end` in characters, end exclusive.

    Raises:
        ExportError: nothing to read, or a line is not what it should be; no message has text of a note.
    """
    try:
        samples = _read_folder(path) if path.is_dir() else _read_jsonl(path)
    except OSError as error:
        raise ExportError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ExportError(f"{path} is not UTF-8: convert it first") from None
    repeated = len(samples) - len({sample.id for sample in samples})
    if repeated:
        raise ExportError(f"{path}: {repeated} notes repeat the id of another; reports need each its own")
    return samples


def check_labels(samples: Sequence[Sample], entities: Sequence[str], source: str) -> tuple[str, ...]:
    """Labels of the gold that the model does not know, and so cannot be scored on.

    Raises:
        ExportError: gold and model have no label in common.
    """
    gold = {label for sample in samples for label, _, _ in sample.gold or ()}
    if gold and not gold & set(entities):
        raise ExportError(
            f"the gold in {source} has the labels {', '.join(sorted(gold)[:8])}, and the model has "
            f"{', '.join(entities[:8])}: none in common (--rename gives the model's labels other names)"
        )
    return tuple(sorted(gold - set(entities)))


def _read_folder(folder: Path) -> list[Sample]:
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise ExportError(f"{folder} has no .txt notes")
    return [Sample(file.stem, file.read_text(encoding="utf-8-sig")) for file in files]


def _read_jsonl(path: Path) -> list[Sample]:
    samples = [
        _read_line(line, f"{path}, line {number}", str(number))
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1)
        if line.strip()
    ]
    if not samples:
        raise ExportError(f"{path} is empty: expected one JSON object a line")
    return samples


def _read_line(line: str, where: str, number: str) -> Sample:
    # No cause is passed on: a JSON error carries the whole line.
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise ExportError(f"{where}: not valid JSON") from None
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise ExportError(f"{where}: expected an object with a field 'text' that is a string")
    spans = row.get("entities", row.get("spans"))
    gold = None if spans is None else tuple(_read_gold(spans, where, len(row["text"])))
    return Sample(str(row.get("id", number)), row["text"], gold)


def _read_gold(spans: object, where: str, length: int) -> Sequence[Place]:
    if not isinstance(spans, list):
        raise ExportError(f"{where}: gold is a {type(spans).__name__}, expected a list")
    return [_read_place(span, where, length) for span in spans]


def _read_place(span: object, where: str, length: int) -> Place:
    fields: Mapping[str, Any] = span if isinstance(span, dict) else {}
    label, start, end = fields.get("label"), fields.get("start"), fields.get("end")
    if not isinstance(label, str) or type(start) is not int or type(end) is not int:
        raise ExportError(
            f"{where}: a gold entity lacks label, start or end (a string and two whole numbers)"
        )
    if not 0 <= start < end <= length:
        raise ExportError(
            f"{where}: a gold entity spans {start} to {end}, and the note has {length} characters"
        )
    return label, start, end
