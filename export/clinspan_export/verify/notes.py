"""The caller's own notes to judge a model on: a folder of .txt files, or JSONL with gold where there is some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinspan.documents import jsonl as own
from clinspan.textfiles import read_objects
from clinspan_export.errors import ExportError
from clinspan_export.verify.samples import SAMPLES
from clinspan_export.verify.scores import Place


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
    with `label`, `start` and `end` in characters, end exclusive, that do not overlap.

    Raises:
        ExportError: nothing to read, or two notes have one id.
        InputError: a line is not what it should be; no message has text of a note.
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
        _sample(row, where, str(number)) for number, (where, row) in enumerate(read_objects(path), start=1)
    ]
    if not samples:
        raise ExportError(f"{path} is empty: expected one JSON object a line")
    return samples


def _sample(row: Mapping[str, Any], where: str, number: str) -> Sample:
    spans = row.get("entities", row.get("spans"))
    document = own.parse({**row, "entities": [] if spans is None else spans}, where, number)
    gold = tuple((entity.label, entity.start, entity.end) for entity in document.entities)
    return Sample(document.id, document.text, None if spans is None else gold)
