"""The three things that a loaded model may do for a request: recognize, classify or embed, one for each task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clinspan.classifier import Classifier
from clinspan.embedder import Embedder
from clinspan.extract.meaning import Asked, meaning_rows
from clinspan.extract.models.by_task import AnyModel
from clinspan.recognizer import Recognizer
from clinspan.serving.request import Request


@dataclass(frozen=True, slots=True)
class Verb:
    """A thing that is done with the notes of a request.

    Attributes:
        name: as the request and its path name it, and `VERB_OPTIONS` its options.
        field: of an answer that holds what was found.
        counted: name of what is counted of it.
        rows: gives the fields of each note's answer, in order, within the seconds given.
    """

    name: str
    field: str
    counted: str
    rows: Callable[[Request, float | None], Iterator[dict[str, Any]]]

    def count(self, row: Mapping[str, Any]) -> int:
        """Count what an answer holds: spans, chosen labels, or one vector."""
        found = row.get(self.field, ())
        if self.name == "classify":
            return sum(one["chosen"] for one in found)
        return int(bool(found)) if self.name == "embed" else len(found)


def verb_of(model: AnyModel) -> Verb:
    """Give the verb that a model's task asks for."""
    if isinstance(model, Recognizer):
        return Verb("recognize", "spans", "spans", lambda request, left: _spans(model, request, left))
    if isinstance(model, Classifier):
        return Verb("classify", "labels", "labels", lambda request, left: _labels(model, request, left))
    return Verb("embed", "vector", "vectors", lambda request, left: _vectors(model, request, left))


def _spans(model: Recognizer, request: Request, seconds: float | None) -> Iterator[dict[str, Any]]:
    asked = Asked(request.assertion, request.regimens)
    texts = [note.text for note in request.notes]
    found = model.pipe(texts, threshold=request.threshold, aggregation=request.aggregation, timeout=seconds)
    for text, spans in zip(texts, found, strict=True):
        yield meaning_rows(text, spans, asked)


def _labels(model: Classifier, request: Request, seconds: float | None) -> Iterator[dict[str, Any]]:
    texts = [note.text if note.second is None else (note.text, note.second) for note in request.notes]
    for scores in model.pipe(texts, threshold=request.threshold, truncate=request.truncate, timeout=seconds):
        yield {"labels": [{**one.to_dict(), "score": round(one.score, 6)} for one in scores]}


def _vectors(model: Embedder, request: Request, seconds: float | None) -> Iterator[dict[str, Any]]:
    texts = [note.text for note in request.notes]
    # None where the request does not say: as the model does.
    unit = request.normalize or None
    for vector in model.pipe(texts, normalize=unit, truncate=request.truncate, timeout=seconds):
        # The shortest decimals that are the same float32.
        yield {"vector": [float(str(number)) for number in vector]}
