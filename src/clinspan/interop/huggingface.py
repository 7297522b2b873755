"""The dictionaries of transformers' pipelines: entities of tokens, labels of texts, vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.text.decode import Span
from clinspan.text.merge import LabelScore


def entities(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """Write spans as `pipeline("token-classification", aggregation_strategy=...)` does.

    The keys and their order are the pipeline's. `word` is the note's own text; the pipeline's is decoded from tokens.

    >>> entities([Span("DRUG", 6, 13, "aspirin", 0.5)])
    [{'entity_group': 'DRUG', 'score': 0.5, 'word': 'aspirin', 'start': 6, 'end': 13}]
    """
    return [
        {"entity_group": s.label, "score": s.score, "word": s.text, "start": s.start, "end": s.end}
        for s in spans
    ]


def labels(scores: Sequence[LabelScore], *, top_k: int | None = 1) -> list[dict[str, Any]]:
    """Write the labels of a text as `pipeline("text-classification", top_k=...)` does.

    Args:
        scores: from `Classifier.classify` without a threshold, the highest first.
        top_k: how many; None for all of them.

    >>> labels([LabelScore("yes", 0.75, True), LabelScore("no", 0.25)])
    [{'label': 'yes', 'score': 0.75}]
    """
    return [{"label": one.label, "score": one.score} for one in scores[:top_k]]


def pair(text: str | tuple[str, str]) -> dict[str, str]:
    """Write a text or a pair as the text-classification pipeline takes it.

    >>> pair(("Takes aspirin.", "Takes a drug."))
    {'text': 'Takes aspirin.', 'text_pair': 'Takes a drug.'}
    """
    return {"text": text} if isinstance(text, str) else {"text": text[0], "text_pair": text[1]}


def features(vector: npt.NDArray[np.float32]) -> list[float]:
    """Write a vector, float32 (d,), as the inference API gives sentence embeddings: a list of numbers.

    `pipeline("feature-extraction")` gives a vector for each token, and only `pool` one for the text, in lists of lists.

    >>> features(np.array([0.5, 1], np.float32))
    [0.5, 1.0]
    """
    return [float(number) for number in vector]
