"""Score the labels of texts: right choices, ranking, and whether probabilities mean what they say. Numpy alone.

AUROC is the chance that a text with the label scores higher than one without (ties count half). Average precision is the
sum over distinct scores of precision times the gain in recall. The calibration error (Naeini 2015, equal bins) is the mean distance
between how sure the model is and how often it is right. All agree with scikit-learn, which a test holds them to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 10
_DRAWS_AT_ONCE = 50
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LabelQuality:
    """One label's scores; `auroc` and `average_precision` are NaN where all texts carry it, none does, or the model lacks it."""

    precision: float
    recall: float
    f1: float
    auroc: float
    average_precision: float
    texts: int
    chosen: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers about as sure as each other: how sure, how often right, how many."""

    sure: float
    right: float
    count: int


@dataclass(frozen=True, slots=True)
class Labelling:
    """Scores of a classifier of texts.

    Attributes:
        texts: how many were scored.
        accuracy: share of the texts whose labels are all right and none too many.
        micro_precision, micro_recall, micro_f1: of all labels of all texts together.
        macro_f1, macro_auroc, macro_average_precision: means over the labels.
        calibration_error: mean distance of `reliability` from the truth.
        intervals: 95 % bootstrap intervals, by name of the figure; empty where they were not asked for.
        labels: scores of each.
        confusions: where a text has one label: int64 (c, c), annotated by row, chosen by column.
        reliability: how often the model is right, by how sure it is.
    """

    texts: int
    accuracy: float
    micro_precision: float
    micro_recall: float
    micro_f1: float
    macro_f1: float
    macro_auroc: float
    macro_average_precision: float
    calibration_error: float
    intervals: dict[str, Interval]
    labels: dict[str, LabelQuality]
    confusions: npt.NDArray[np.int64] | None
    reliability: tuple[Bin, ...]


def measure_labels(
    truth: Flags,
    scores: Floats,
    chosen: Flags,
    names: Sequence[str],
    *,
    single: bool,
    resamples: int = 1000,
    seed: int = 0,
) -> Labelling:
    """Score labels.

    Args:
        truth: bool (n, c), which labels annotators gave.
        scores: float64 (n, c), probabilities of the model; NaN in a column that it does not have.
        chosen: bool (n, c), which labels the model decides for.
        names: the c labels.
        single: every text has one label.
        resamples: draws of texts for the intervals; 0 for none.
        seed: of the draws.
    """
    hits = truth & chosen
    known: Flags = np.logical_not(np.isnan(scores).any(axis=0))
    labels = {
        name: _quality(truth[:, at], scores[:, at], chosen[:, at], bool(known[at]))
        for at, name in enumerate(names)
    }
    right = (truth == chosen).all(axis=1)
    sums = [part.sum(axis=1) for part in (hits, chosen, truth)]
    micro_precision, micro_recall, micro_f1 = (float(one) for one in _f1(*(part.sum() for part in sums)))
    if single:
        sure, correct = np.nanmax(scores, axis=1), right
    else:
        sure, correct = scores[:, known].ravel(), truth[:, known].ravel()
    bins = reliability_of(sure, correct)
    return Labelling(
        texts=len(truth),
        accuracy=float(right.mean()),
        micro_precision=micro_precision,
        micro_recall=micro_recall,
        micro_f1=micro_f1,
        macro_f1=float(np.mean([one.f1 for one in labels.values()])),
        macro_auroc=_mean([one.auroc for one in labels.values()]),
        macro_average_precision=_mean([one.average_precision for one in labels.values()]),
        calibration_error=calibration_error_of(bins),
        intervals=_intervals(truth, chosen, right, resamples, seed) if resamples and len(truth) > 1 else {},
        labels=labels,
        confusions=(truth.astype(np.int64).T @ chosen.astype(np.int64)) if single else None,
        reliability=bins,
    )


def compare_choices(
    truth: Flags, first: Flags, second: Flags, *, single: bool, resamples: int = 1000, seed: int = 0
) -> tuple[float, Interval]:
    """How much higher the first choices score than the second, with a 95 % interval of paired draws of texts.

    Args:
        truth: bool (n, c), which labels annotators gave.
        first: bool (n, c), labels that were chosen one way.
        second: bool (n, c), labels that were chosen another way.
        single: every text has one label, and accuracy is compared; the micro F1 where it may have several.
        resamples: draws of texts.
        seed: of the draws.
    """
    n = len(truth)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    weights = np.vstack([np.ones(n), weights])
    scores = []
    for chosen in (first, second):
        if single:
            scores.append(weights @ (truth == chosen).all(axis=1).astype(np.float64) / n)
        else:
            parts = (
                weights @ part.sum(axis=1).astype(np.float64) for part in (truth & chosen, chosen, truth)
            )
            scores.append(_f1(*parts)[2])
    difference = scores[0] - scores[1]
    low, high = np.percentile(difference[1:], (2.5, 97.5))
    return float(difference[0]), (float(low), float(high))


def auroc(truth: Flags, scores: Floats) -> float:
    """Area under the curve of true over false positives, of bool (n,) and float64 (n,); NaN where one side is empty."""
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return math.nan
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # the mean rank of equal scores
    return float((rank[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def average_precision(truth: Flags, scores: Floats) -> float:
    """Precision, averaged over the gains in recall, of bool (n,) and float64 (n,); NaN where nothing is true."""
    if not truth.any():
        return math.nan
    order = np.argsort(-scores, kind="stable")
    hits, ranked = np.cumsum(truth[order]), scores[order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # equal scores are found together
    precision, recall = (hits / np.arange(1, len(hits) + 1))[last], hits[last] / truth.sum()
    return float((precision * np.diff(recall, prepend=0.0)).sum())


def reliability_of(sure: Floats, right: Flags) -> tuple[Bin, ...]:
    """Group answers by how sure they are, in `BINS` equal steps from 0 to 1; steps without an answer are left out."""
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    found = []
    for step in range(BINS):
        here = place == step
        if here.any():
            found.append(Bin(float(sure[here].mean()), float(right[here].mean()), int(here.sum())))
    return tuple(found)


def calibration_error_of(bins: Sequence[Bin]) -> float:
    """Mean distance of the bins from the truth, each weighed by its count."""
    return sum(one.count * abs(one.sure - one.right) for one in bins) / sum(one.count for one in bins)


def measure_numbers(truth: Floats, found: Floats) -> dict[str, float]:
    """Mean absolute error, root mean squared error and Pearson's correlation of float64 (n,) each."""
    error = found - truth
    spread = float(truth.std() * found.std())
    together = float(((truth - truth.mean()) * (found - found.mean())).mean())
    return {
        "mean_absolute_error": float(np.abs(error).mean()),
        "root_mean_squared_error": float(np.sqrt((error**2).mean())),
        "pearson": together / spread if spread else math.nan,
    }


def _quality(truth: Flags, scores: Floats, chosen: Flags, known: bool) -> LabelQuality:
    precision, recall, f1 = (float(one) for one in _f1((truth & chosen).sum(), chosen.sum(), truth.sum()))
    ranked = (auroc(truth, scores), average_precision(truth, scores)) if known else (math.nan, math.nan)
    return LabelQuality(precision, recall, f1, *ranked, int(truth.sum()), int(chosen.sum()))


def _f1(hits: npt.ArrayLike, chosen: npt.ArrayLike, true: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of counts of any shape; 0 where they divide by 0."""
    right, found, wanted = (np.asarray(part, np.float64) for part in (hits, chosen, true))
    return (
        right / np.maximum(found, 1),
        right / np.maximum(wanted, 1),
        2 * right / np.maximum(found + wanted, 1),
    )


def _intervals(truth: Flags, chosen: Flags, right: Flags, resamples: int, seed: int) -> dict[str, Interval]:
    """Percentile bootstrap over texts (Efron 1979)."""
    rng, n = np.random.default_rng(seed), len(truth)
    parts = [part.astype(np.float64) for part in (truth & chosen, chosen, truth)]
    drawn: dict[str, list[Floats]] = {"accuracy": [], "micro_f1": [], "macro_f1": []}
    for begin in range(0, resamples, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, resamples - begin)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
        counts = [weights @ part for part in parts]
        drawn["accuracy"].append(weights @ right / n)
        drawn["micro_f1"].append(_f1(*(count.sum(axis=1) for count in counts))[2])
        drawn["macro_f1"].append(_f1(*counts)[2].mean(axis=1))
    ends = {name: np.percentile(np.concatenate(values), (2.5, 97.5)) for name, values in drawn.items()}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def _mean(values: Sequence[float]) -> float:
    kept = [value for value in values if not math.isnan(value)]
    return float(np.mean(kept)) if kept else math.nan
