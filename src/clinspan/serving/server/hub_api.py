"""The shapes of Hugging Face's inference API: `{"inputs": ..., "parameters": {...}}`, and what each task answers.

See https://huggingface.co/docs/inference-providers/tasks/index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clinspan.interop import huggingface
from clinspan.serving.request import RequestError
from clinspan.strict_json import kind
from clinspan.text.decode import Span
from clinspan.text.merge import LabelScore


@dataclass(frozen=True, slots=True)
class Asking:
    """A request of the API.

    Attributes:
        request: the service's own.
        single: it has one text, and not a list of them.
        top_k: labels that are wanted; None for all.
    """

    request: dict[str, Any]
    single: bool
    top_k: int | None = None


def asking(inputs: object, parameters: object, verb: str) -> Asking:
    """Understand a request: a text or a list of texts, and for a classifier pairs as the pipeline takes them.

    Raises:
        RequestError: it is something else, or wants what is not offered.
    """
    single = not isinstance(inputs, list)
    texts = inputs if isinstance(inputs, list) else [inputs]
    pairs = verb == "classify"
    if not all(isinstance(text, str) or (pairs and isinstance(text, dict)) for text in texts):
        wrong = next(text for text in texts if not isinstance(text, str))
        more = ", or objects with text and text_pair" if pairs else ""
        raise _wrong(f"inputs is {kind(wrong)}: expected a text or a list of texts{more}")
    given = parameters if isinstance(parameters, dict) else {}
    request: dict[str, Any] = {
        "notes": [text if isinstance(text, dict) else {"text": text} for text in texts]
    }
    if verb == "recognize":
        if given.get("aggregation_strategy") == "none":
            raise _wrong("aggregation_strategy none is not offered: tokens have no entities")
        request["aggregation"] = given.get("aggregation_strategy")
    else:
        request["truncate"] = given.get("truncate", given.get("truncation"))
    if verb == "embed":
        request["normalize"] = given.get("normalize")
    top_k = given.get("top_k") if verb == "classify" else None
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
        raise _wrong("top_k: expected an integer above 0")
    return Asking(request, single, top_k)


def reply(notes: Sequence[Mapping[str, Any]], asked: Asking, verb: str) -> Any:
    """Make the API's answer of the service's: a list for a text and a list of these for many.

    The labels of one text stand in a list of their own too, as the API has them and its clients read them.
    """
    if verb == "classify":
        return [
            huggingface.labels([_score(row) for row in note["labels"]], top_k=asked.top_k) for note in notes
        ]
    if verb == "embed":
        found: list[Any] = [note["vector"] for note in notes]
    else:
        found = [huggingface.entities(map(span, note["spans"])) for note in notes]
    return found[0] if asked.single else found


def span(row: Mapping[str, Any]) -> Span:
    """Make a span of a row of an answer."""
    return Span(row["label"], row["start"], row["end"], row["text"], row["score"])


def _score(row: Mapping[str, Any]) -> LabelScore:
    return LabelScore(row["label"], row["score"], row["chosen"])


def _wrong(message: str) -> RequestError:
    return RequestError(400, "bad_request", message)
