"""Answers to the windows of a text -> scores of its labels, or one vector. Pure: no model, no tokenizer, no state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.errors import BundleError
from clinspan.text.decode import softmax

PROBLEMS = ("single-label", "multi-label", "regression")
MERGES = ("mean", "max", "first")
POOLINGS = ("mean", "cls", "max")
SCALES = ("probabilities", "logits")

# Of a label among several without a threshold of its own.
DEFAULT_THRESHOLD = 0.5

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label of a text and how sure the model is of it.

    Attributes:
        label: its name.
        score: a probability: of this label among the others, or, where a text may have several, of this one alone.
            The number itself where the model gives numbers (regression).
        chosen: the model decides for it: the best label, or, where a text may have several, one whose score
            reaches its threshold.
    """

    label: str
    score: float
    chosen: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The score as a dictionary ready for JSON."""
        return {"label": self.label, "score": self.score, "chosen": self.chosen}


@dataclass(frozen=True, slots=True)
class Scoring:
    """How a classifier's logits become scores of labels.

    Attributes:
        names: the labels, index = column of the logits.
        problem: one of `PROBLEMS`: one label of several, any number of labels, or a number.
        merge: one of `MERGES`: how the windows of a long text are merged; `mean` weighs each by its tokens.
        scale: one of `SCALES`: what is merged.
        thresholds: least score at which a label is chosen, where a text may have several; 0.5 for those not named.
        pairs: the model reads two texts.

    Raises:
        BundleError: one of them makes no sense.
    """

    names: tuple[str, ...]
    problem: str = "single-label"
    merge: str = "mean"
    scale: str = "probabilities"
    thresholds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    pairs: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("problem", self.problem, PROBLEMS),
            ("merge", self.merge, MERGES),
            ("scale", self.scale, SCALES),
        ):
            if value not in known:
                raise BundleError(f"unknown {name} {value!r}: expected one of {', '.join(known)}")
        if len(set(self.names)) != len(self.names):
            raise BundleError("label names are not unique")
        if not self.names or (self.problem == "single-label" and len(self.names) < 2):
            raise BundleError(f"{len(self.names)} labels: expected at least two to decide between")
        unknown = sorted(set(self.thresholds) - set(self.names))
        if unknown:
            raise BundleError(f"a threshold is set for {unknown[0]!r}, which the model does not give")
        if not all(0 <= limit <= 1 for limit in self.thresholds.values()):
            raise BundleError("a threshold is not a number from 0 to 1")


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors of an embedding model: how long they are and how they are made.

    Attributes:
        dimension: numbers of a vector.
        normalize: every vector has length 1.
        pooling: how one vector is made of those of the tokens.
        graph_pools: the graph does so, and brings it to length 1; else the runtime does, by one of `POOLINGS`.

    Raises:
        BundleError: the runtime cannot pool so.
    """

    dimension: int
    normalize: bool = False
    pooling: str = "mean"
    graph_pools: bool = True

    def __post_init__(self) -> None:
        if not self.graph_pools and self.pooling not in POOLINGS:
            raise BundleError(f"unknown pooling {self.pooling!r}: expected one of {', '.join(POOLINGS)}")


def probabilities(logits: Floats, scoring: Scoring) -> Floats:
    """Probabilities of the labels, float32 (w, c), of logits, float32 (w, c); the same numbers for regression."""
    if scoring.problem == "single-label":
        return softmax(logits)
    return sigmoid(logits) if scoring.problem == "multi-label" else logits


def sigmoid(logits: Floats) -> Floats:
    """Probability of each label alone; written so that no exponential overflows."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32, copy=False)


def merge_logits(logits: Sequence[Floats], tokens: Sequence[int], scoring: Scoring) -> Floats:
    """Scores of a text's labels, float32 (c,), from the logits of its windows.

    Args:
        logits: float32 (c,) each, one for each window.
        tokens: of each window, its weight in a mean.
        scoring: how to read and merge them.
    """
    stacked = np.stack(logits)
    if scoring.scale == "logits":
        merged: Floats = probabilities(_merge(stacked, tokens, scoring.merge)[None], scoring)[0]
        return merged
    return _merge(probabilities(stacked, scoring), tokens, scoring.merge)


def label_scores(scores: Floats, scoring: Scoring) -> list[LabelScore]:
    """All labels with their scores, float32 (c,), the highest first."""
    best = int(scores.argmax())
    found = [
        LabelScore(name, float(score), _chosen(float(score), index == best, name, scoring))
        for index, (name, score) in enumerate(zip(scoring.names, scores, strict=True))
    ]
    return sorted(found, key=lambda one: -one.score)


def pool_tokens(given: Floats, vectors: Vectors) -> Floats:
    """The vector of a text, float32 (d,), of those of its tokens, as sentence-transformers pools them.

    Args:
        given: float32 (t, d), special tokens included; or a vector that was pooled already, float32 (d,).
        vectors: how to pool, and whether to bring the vector to length 1.
    """
    pooled = given
    if given.ndim == 2 and vectors.pooling == "mean":
        pooled = given.mean(axis=0, dtype=np.float64).astype(np.float32)
    elif given.ndim == 2:
        pooled = given[0] if vectors.pooling == "cls" else given.max(axis=0)
    return unit(pooled) if vectors.normalize else pooled


def merge_vectors(vectors: Sequence[Floats], tokens: Sequence[int], *, normalize: bool) -> Floats:
    """The vector of a text, float32 (d,): the mean of those of its windows, each weighed by its tokens.

    Args:
        vectors: float32 (d,) each, one for each window.
        tokens: of each window.
        normalize: bring the mean to length 1.
    """
    if len(vectors) == 1 and not normalize:
        return vectors[0]
    mean = _merge(np.stack(vectors), tokens, "mean")
    return unit(mean) if normalize else mean


def unit(vector: Floats) -> Floats:
    """The vector at length 1; zeros stay zeros."""
    length = math.sqrt(float(np.square(vector, dtype=np.float64).sum()))
    scaled: Floats = vector / np.float32(max(length, 1e-12))
    return scaled


def _merge(rows: Floats, tokens: Sequence[int], how: str) -> Floats:
    if len(rows) == 1 or how == "first":
        one: Floats = rows[0]
        return one
    if how == "max":
        highest: Floats = rows.max(axis=0)
        return highest
    weights = np.maximum(np.asarray(tokens, dtype=np.float64), 1)
    mean: Floats = (weights @ rows.astype(np.float64) / weights.sum()).astype(np.float32)
    return mean


def _chosen(score: float, best: bool, name: str, scoring: Scoring) -> bool:
    if scoring.problem == "single-label":
        return best
    return scoring.problem == "regression" or score >= scoring.thresholds.get(name, DEFAULT_THRESHOLD)
