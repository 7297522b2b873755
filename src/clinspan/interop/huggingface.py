"""The dictionaries of transformers' token classification pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clinspan.text.decode import Span


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
