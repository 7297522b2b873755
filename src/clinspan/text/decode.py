"""Logits + Encoding -> spans. Pure: no model, no tokenizer, no state.

Two steps. `read_words` runs per window and keeps a label and a probability for each word, so that the
logits of a long note never pile up. `spans` runs once per note over all its words, so that no entity is
cut where a window ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from clinspan.errors import InputError
from clinspan.text.encoding import NO_WORD, Encoding
from clinspan.text.graphemes import Clusters, is_control, is_visible
from clinspan.text.labels import LabelSet
from clinspan.text.words import codes_of, mark_line_ends, trim_marks

Aggregation = Literal["first", "average", "max", "simple"]
AGGREGATIONS: tuple[Aggregation, ...] = ("first", "average", "max", "simple")
Threshold = float | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Span:
    """An entity in a note: `note[start:end] == text`.

    Attributes:
        label: the entity's name.
        start: first character, counted in Unicode code points of the note.
        end: one past the last character.
        text: the note's own text, unchanged.
        score: mean over the span's words of the probability (softmax of the logits) that the model gives
            to the label decided for the word; over its tokens with `aggregation="simple"`.
    """

    label: str
    start: int
    end: int
    text: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        """The span as a dictionary ready for JSON.

        >>> Span("DRUG", 6, 13, "aspirin", 0.5).to_dict()
        {'label': 'DRUG', 'start': 6, 'end': 13, 'text': 'aspirin', 'score': 0.5}
        """
        return {
            "label": self.label,
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "score": self.score,
        }


@dataclass(frozen=True, slots=True)
class Words:
    """The model's answers for some words (w of them), in note order.

    Attributes:
        first, last: int32 (w,), first and last token of each word, both inside it.
        labels: int32 (w,), decided label, an index into the label names.
        scores: float32 (w,), probability of that label.
        emissions: float32 (w, c), logits of each word's first token where a CRF is yet to decide; else None.
    """

    first: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    emissions: npt.NDArray[np.float32] | None = None

    @staticmethod
    def empty() -> Words:
        """No words."""
        none = np.zeros(0, np.int32)
        return Words(none, none, none, np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class LabelTable:
    """A LabelSet as arrays, one row per label (c of them).

    Attributes:
        entity: int32 (c,), index into `names`, -1 for outside.
        opens: bool (c,), a span begins here whatever stood before (B, S, U).
        closes: bool (c,), the span ends here whatever follows (E, L, S, U).
        names: entity names.
    """

    entity: npt.NDArray[np.int32]
    opens: npt.NDArray[np.bool_]
    closes: npt.NDArray[np.bool_]
    names: tuple[str, ...]


def label_table(labels: LabelSet) -> LabelTable:
    """Lay a LabelSet out as arrays."""
    names = labels.entities
    places = [labels.place(name) for name in labels.names]
    return LabelTable(
        np.array([names.index(entity) if prefix else -1 for prefix, entity in places], dtype=np.int32),
        np.array([prefix in ("B", "S", "U") for prefix, _ in places]),
        np.array([prefix in ("E", "L", "S", "U") for prefix, _ in places]),
        names,
    )


def read_words(
    logits: npt.NDArray[np.float32], word_ids: npt.NDArray[np.int32], aggregation: str, *, start: int = 0
) -> Words:
    """Decide one label for each word of a run of tokens.

    `first` takes the first token's label, `max` that of the token with the highest probability, `average`
    the label with the highest mean probability; `simple` takes every token for a word of its own.

    Args:
        logits: float32 (t, c).
        word_ids: int32 (t,), `Encoding.word_ids` of the same tokens; those of no word have no vote.
        aggregation: one of `AGGREGATIONS`.
        start: number of the first of these tokens in the note.
    """
    kept = np.arange(len(logits)) if aggregation == "simple" else np.flatnonzero(word_ids != NO_WORD)
    if len(kept) < len(logits):
        logits, word_ids = logits[kept], word_ids[kept]
    t = len(kept)
    if t == 0:
        return Words.empty()
    new = np.ones(t, dtype=bool)
    if aggregation != "simple":
        new[1:] = word_ids[1:] != word_ids[:-1]
    first = np.flatnonzero(new)
    last = np.append(first[1:], t) - 1
    probabilities = softmax(logits)
    if aggregation == "average":
        sums = np.add.reduceat(probabilities, first, axis=0)
        probabilities = np.divide(sums, (last - first + 1)[:, None], dtype=np.float32)
    elif aggregation == "max":
        probabilities = probabilities[_best_tokens(probabilities.max(axis=1), first)]
    else:
        probabilities = probabilities[first]
    labels = probabilities.argmax(axis=1)
    scores = probabilities[np.arange(len(labels)), labels]
    return Words(
        (kept[first] + start).astype(np.int32),
        (kept[last] + start).astype(np.int32),
        labels.astype(np.int32),
        scores,
    )


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities, float32 (t, c), of logits, float32 (t, c)."""
    shifted: npt.NDArray[np.float32] = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shifted /= shifted.sum(axis=-1, keepdims=True)
    return shifted


def spans(
    note: str,
    encoding: Encoding,
    words: Sequence[Words],
    table: LabelTable,
    *,
    threshold: Threshold = 0.0,
) -> list[Span]:
    """Join labelled words into spans.

    Neighbouring words of one entity form one span. A span also ends before a label that opens (B, S, U),
    after one that closes (E, L, S, U), and at a blank line. Whitespace at its ends is trimmed, marks too where
    words end at whitespace alone (see `trim_marks`), and a combining mark stays with its base character.

    Args:
        note: the text.
        encoding: its tokens.
        words: its words, from `read_words`, in order.
        table: what the labels mean.
        threshold: spans that score below are left out; a number, or one per label name.

    Returns:
        Spans in note order; they never overlap.

    Raises:
        InputError: the threshold names an unknown label or is not a probability.
    """
    limits = score_limits(threshold, table.names)
    if not words:
        return []
    labels = np.concatenate([w.labels for w in words])
    entity = table.entity[labels]
    inside = np.flatnonzero(entity >= 0)
    if len(inside) == 0:
        return []
    labels, entity = labels[inside], entity[inside]
    first = np.concatenate([w.first for w in words])[inside]
    last = np.concatenate([w.last for w in words])[inside]
    scores = np.concatenate([w.scores for w in words])[inside].astype(np.float64)
    starts, ends = encoding.offsets[first, 0], encoding.offsets[last, 1]

    opens = np.ones(len(inside), dtype=bool)
    opens[1:] = (
        (inside[1:] != inside[:-1] + 1)
        | (entity[1:] != entity[:-1])
        | table.opens[labels[1:]]
        | table.closes[labels[:-1]]
    )
    for i in np.flatnonzero(~opens[1:] & (starts[1:] > ends[:-1] + 1)).tolist():
        opens[i + 1] = has_blank_line(note[ends[i] : starts[i + 1]])

    begin = np.flatnonzero(opens)
    stop = np.append(begin[1:], len(inside))
    means = np.add.reduceat(scores, begin) / (stop - begin)
    starts, ends = starts[begin], ends[stop - 1]
    if encoding.by_whitespace:
        pairs = [trim_marks(note, *pair) for pair in zip(starts.tolist(), ends.tolist(), strict=True)]
        starts, ends = np.array(pairs, dtype=np.int32).T
    return _finish(note, starts, ends, entity[begin], means, table.names, limits)


def _finish(
    note: str,
    starts: npt.NDArray[np.int32],
    ends: npt.NDArray[np.int32],
    entity: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float64],
    names: tuple[str, ...],
    limits: Sequence[float],
) -> list[Span]:
    found: list[Span] = []
    clusters = Clusters(note)
    previous = 0
    for start, end, which, score in zip(
        starts.tolist(), ends.tolist(), entity.tolist(), scores.tolist(), strict=True
    ):
        start, end = whole_characters(note, clusters, start, end, previous)
        if start >= end:
            continue
        previous = end  # a span below the threshold still keeps its characters from its neighbours
        if score >= limits[which]:
            found.append(Span(names[which], start, end, note[start:end], score))
    return found


def whole_characters(note: str, clusters: Clusters, start: int, end: int, previous: int) -> tuple[int, int]:
    """Trim what shows nothing, and take in the rest of a character that is written in several code points.

    Normalizers that strip accents leave marks out of a token's offsets, and some tokenizers give a mark
    its own token. What the previous span took in stays with it.
    """
    start = max(start, previous)
    while start < end and _is_gap(note[start]):
        start += 1
    while start < end and _is_gap(note[end - 1]):
        end -= 1
    if start >= end:
        return start, start
    start, end = clusters.start(start, previous), clusters.end(end)
    while start < end and _is_gap(note[start]):  # a mark on whitespace is left out with it
        start = clusters.end(start + 1)
    return (start, end) if is_visible(note[start:end]) else (start, start)


def _is_gap(char: str) -> bool:
    return char.isspace() or is_control(char)


def has_blank_line(gap: str) -> bool:
    """Tell whether a stretch of text holds an empty line, which no span crosses."""
    return int(mark_line_ends(codes_of(gap)).sum()) > 1


def _best_tokens(best: npt.NDArray[np.float32], first: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Token with the highest value in each word; the earliest of equals."""
    highest = np.maximum.reduceat(best, first)
    lengths = np.diff(np.append(first, len(best)))
    candidates = np.flatnonzero(best == np.repeat(highest, lengths))
    return candidates[np.searchsorted(candidates, first)]


def score_limits(threshold: Threshold, names: tuple[str, ...]) -> list[float]:
    """The least score of each entity; raises InputError as `spans` does."""
    if isinstance(threshold, Mapping):
        unknown = [name for name in threshold if name not in names]
        if unknown:
            raise InputError(
                f"threshold names an unknown label {unknown[0]!r}: the model has {', '.join(names)}"
            )
        limits = [threshold.get(name, 0.0) for name in names]
    else:
        limits = [threshold] * len(names)
    for limit in limits:
        if isinstance(limit, bool) or not isinstance(limit, Real) or not 0 <= limit <= 1:
            raise InputError(f"threshold is {limit!r}: expected a probability, 0 to 1")
    return limits
