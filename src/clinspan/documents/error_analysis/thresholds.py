"""Precision and recall over thresholds of the score, and the best threshold of each label. Pure: no model, no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.documents.document import Document, Entity
from clinspan.documents.scores import counted, same

# The table's rows, and the finer steps that the best is chosen from.
SHOWN = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_STEPS = (*(step / 100 for step in range(100)), 0.995, 0.999)


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """Exact precision, recall and F1 of what scores at least `threshold`."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class LabelThresholds:
    """A label's table, and the threshold with the best F1: the lowest of equals, chosen on these very documents."""

    table: tuple[AtThreshold, ...]
    best: AtThreshold


def thresholds(
    gold: Sequence[Document],
    found: Sequence[Sequence[Entity]],
    scores: Sequence[Sequence[float]],
    labels: Sequence[str],
) -> dict[str, LabelThresholds]:
    """Tabulate precision and recall over thresholds, by label.

    Args:
        gold: annotated documents.
        found: for each document, what was found in it.
        scores: the score of each of these.
        labels: those to tabulate.
    """
    return {label: _of_label(gold, found, scores, label) for label in labels}


def _of_label(
    gold: Sequence[Document], found: Sequence[Sequence[Entity]], scores: Sequence[Sequence[float]], label: str
) -> LabelThresholds:
    annotated, hit_scores, all_scores = 0, list[float](), list[float]()
    for document, entities, values in zip(gold, found, scores, strict=True):
        best: dict[Entity, float] = {}
        for entity, score in zip(entities, values, strict=True):
            best[entity] = max(score, best.get(entity, 0.0))
        left, right = counted(document, document.entities, label), counted(document, best, label)
        annotated += len(left)
        all_scores += (best[entity] for entity in right)
        hit_scores += (best[entity] for _, entity in same(left, right))
    counts = annotated, np.sort(hit_scores), np.sort(all_scores)
    rows = [_at(step, *counts) for step in _STEPS]
    return LabelThresholds(tuple(_at(step, *counts) for step in SHOWN), max(rows, key=lambda row: row.f1))


def _at(
    threshold: float, annotated: int, hits: npt.NDArray[np.float64], found: npt.NDArray[np.float64]
) -> AtThreshold:
    """Score what is left at a threshold; `hits` and `found` are scores in order, float64 each."""
    right = len(hits) - int(np.searchsorted(hits, threshold))
    kept = len(found) - int(np.searchsorted(found, threshold))
    return AtThreshold(
        threshold,
        right / kept if kept else 0.0,
        right / annotated if annotated else 0.0,
        2 * right / max(kept + annotated, 1),
    )
