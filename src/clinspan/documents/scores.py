"""Score found entities against annotated ones. Pure: no model, no files.

Exact: same label, same start, same end. Lenient: same label and at least one character shared, each entity counted once
(two pieces of one annotation are one hit and one false alarm). Confidence intervals: documents, or sentences where nobody
marked documents, drawn with replacement (percentile bootstrap, Efron 1979).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.documents.document import Document, Entity
from clinspan.errors import InputError

MATCHES = ("exact", "lenient")


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1 with the counts behind them.

    All three are 0 where they divide by 0: documents with nothing to find, in which nothing was found, show no skill.

    `interval` is the F1's confidence interval; (nan, nan) where it was not asked for, or a single document gives none.
    """

    precision: float
    recall: float
    f1: float
    hits: int
    found: int
    annotated: int
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a model, by match (`exact`, `lenient`) and by label.

    Attributes:
        documents: how many were scored.
        units: how many parts the intervals draw: the documents, or the sentences of those whose documents nobody marked.
        labels: the labels scored.
        by_label: match, then label.
        micro: all entities together, by match.
        macro_f1: mean of the labels' F1, by match.
        unscored: found entities whose label nobody annotated, by label; they count nowhere.
    """

    documents: int
    units: int
    labels: tuple[str, ...]
    by_label: Mapping[str, Mapping[str, Score]]
    micro: Mapping[str, Score]
    macro_f1: Mapping[str, float]
    unscored: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """Micro-F1 of two models on the same documents; `interval` is the confidence interval of `f1`."""

    first: float
    second: float
    interval: tuple[float, float]

    @property
    def f1(self) -> float:
        """The first model's F1 less the second's."""
        return self.first - self.second


def evaluate(
    gold: Sequence[Document],
    found: Sequence[Sequence[Entity]],
    *,
    labels: Sequence[str] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Score found entities.

    Args:
        gold: annotated documents. Where a document says which labels its annotators looked for, others do not count in it.
        found: what was found in each document.
        labels: labels to score; None for those that the annotations use.
        resamples: draws of the bootstrap; 0 for no intervals.
        confidence: share of the draws that an interval holds.
        seed: of the bootstrap.

    Raises:
        InputError: the two do not pair, or an option makes no sense.

    >>> note = Document("1", "chest pain", (Entity(0, 10, "PROBLEM"),))
    >>> evaluate([note], [[Entity(6, 10, "PROBLEM")]]).micro["lenient"].f1
    1.0
    """
    if not 0 < confidence < 1 or resamples < 0:
        raise InputError(
            f"confidence {confidence} and resamples {resamples}: expected a share above 0 and below 1, and 0 or more"
        )
    if seed < 0:
        raise InputError(f"seed is {seed}: expected 0 or more")
    used = _annotated(gold) if labels is None else list(dict.fromkeys(labels))
    tables = _tables(gold, found, used)
    units = sum(len(document.units) or 1 for document in gold)
    draws = _draws(units, resamples, seed)
    by_label, micro, macro_f1 = {}, {}, {}
    for match, table in tables.items():
        scores = [_score(table[:, column], draws, confidence) for column in range(len(used))]
        by_label[match] = dict(zip(used, scores, strict=True))
        micro[match] = _score(table.sum(axis=1), draws, confidence)
        macro_f1[match] = float(np.mean([score.f1 for score in scores])) if scores else 0.0
    unscored: Counter[str] = Counter()
    for entities in found:
        unscored.update(entity.label for entity in entities if entity.label not in used)
    return Evaluation(
        len(gold), units, tuple(used), by_label, micro, macro_f1, dict(sorted(unscored.items()))
    )


def compare(
    gold: Sequence[Document],
    first: Sequence[Sequence[Entity]],
    second: Sequence[Sequence[Entity]],
    *,
    labels: Sequence[str] | None = None,
) -> dict[str, Difference]:
    """Compare two models' micro-F1 on the same documents, by match, with a 95 % interval of the difference.

    Both are scored on the same draws of documents, so that what makes a document hard for both does not widen the interval.

    Args:
        gold: annotated documents.
        first: for each document, what one model found in it.
        second: what the other found.
        labels: labels to score; None for those that the annotations use.

    Raises:
        InputError: the documents and what was found do not pair.
    """
    used = _annotated(gold) if labels is None else list(dict.fromkeys(labels))
    draws = _draws(sum(len(document.units) or 1 for document in gold), 1000, seed=0)
    rows, others = _tables(gold, first, used), _tables(gold, second, used)
    differences = {}
    for match in MATCHES:
        one, other = rows[match].sum(axis=1), others[match].sum(axis=1)
        interval = _interval(_f1(draws @ one) - _f1(draws @ other), 0.95)
        differences[match] = Difference(float(_f1(one.sum(axis=0))), float(_f1(other.sum(axis=0))), interval)
    return differences


def same(gold: Sequence[Entity], found: Sequence[Entity]) -> list[tuple[Entity, Entity]]:
    """Pair entities of one label that have equal edges."""
    places = {(e.start, e.end): e for e in gold}
    return [(places[e.start, e.end], e) for e in dict.fromkeys(found) if (e.start, e.end) in places]


def overlapping(gold: Sequence[Entity], found: Sequence[Entity]) -> list[tuple[Entity, Entity]]:
    """Pair entities of one label that share a character, as many as possible, each in one pair at most.

    The entities of each list do not overlap among themselves, so that the pair which ends first is always right to take.
    """
    pairs: list[tuple[Entity, Entity]] = []
    left = sorted(gold, key=lambda e: (e.start, e.end))
    right = sorted(found, key=lambda e: (e.start, e.end))
    i = j = 0
    while i < len(left) and j < len(right):
        if left[i].start < right[j].end and right[j].start < left[i].end:
            pairs.append((left[i], right[j]))
            i, j = i + 1, j + 1
        elif left[i].end <= right[j].end:
            i += 1
        else:
            j += 1
    return pairs


Pairing = Callable[[Sequence[Entity], Sequence[Entity]], list[tuple[Entity, Entity]]]


def counted(document: Document, entities: Iterable[Entity], label: str) -> list[Entity]:
    """List the entities of one label that count in a document."""
    if document.labels is not None and label not in document.labels:
        return []
    return [entity for entity in entities if entity.label == label]


def _annotated(gold: Sequence[Document]) -> list[str]:
    """List the labels that the annotations use."""
    found: set[str] = set()
    for document in gold:
        labels = {entity.label for entity in document.entities}
        found |= labels if document.labels is None else labels & document.labels
    return sorted(found)


def _tables(
    gold: Sequence[Document], found: Sequence[Sequence[Entity]], labels: Sequence[str]
) -> dict[str, npt.NDArray[np.int64]]:
    """Count by match, int64 (units, labels, 3) each."""
    if len(gold) != len(found):
        raise InputError(
            f"{len(gold)} annotated documents and {len(found)} lists of found entities: expected one list for each document"
        )
    pairings = (same, overlapping)
    return {match: _count(gold, found, labels, pair) for match, pair in zip(MATCHES, pairings, strict=True)}


def _count(
    gold: Sequence[Document], found: Sequence[Sequence[Entity]], labels: Sequence[str], pair: Pairing
) -> npt.NDArray[np.int64]:
    """Hits, found and annotated entities, int64 (units, labels, 3); an entity counts in the unit that it begins in."""
    tables = []
    for document, entities in zip(gold, found, strict=True):
        table = np.zeros((len(document.units) or 1, len(labels), 3), dtype=np.int64)
        for column, label in enumerate(labels):
            left, right = counted(document, document.entities, label), counted(document, entities, label)
            for which, those in enumerate(([one for one, _ in pair(left, right)], right, left)):
                for entity in those:
                    table[
                        bisect_right(document.units, entity.start, lo=1) - 1 if document.units else 0,
                        column,
                        which,
                    ] += 1
        tables.append(table)
    return np.concatenate(tables) if tables else np.zeros((0, len(labels), 3), dtype=np.int64)


def _draws(units: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each draw takes each unit, int64 (resamples, units); no draws of a single one."""
    if units < 2 or not resamples:
        return np.zeros((0, units), dtype=np.int64)
    rng = np.random.default_rng(seed)
    return rng.multinomial(units, np.full(units, 1 / units), size=resamples).astype(np.int64)


def _score(counts: npt.NDArray[np.int64], draws: npt.NDArray[np.int64], confidence: float) -> Score:
    """Score one label's counts, int64 (units, 3)."""
    total = counts.sum(axis=0)
    hits, found, annotated = total.tolist()
    return Score(
        precision=hits / found if found else 0.0,
        recall=hits / annotated if annotated else 0.0,
        f1=float(_f1(total)),
        hits=hits,
        found=found,
        annotated=annotated,
        interval=_interval(_f1(draws @ counts), confidence),
    )


def _f1(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Compute F1 of hits, found and annotated entities, int64 (..., 3); 0 where nothing is found or annotated."""
    hits, found, annotated = (counts[..., column] for column in range(3))
    return np.asarray(2 * hits / np.maximum(found + annotated, 1))


def _interval(drawn: npt.NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Find the edges that hold a share `confidence` of the draws; (nan, nan) without draws."""
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
