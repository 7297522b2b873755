"""Check a request's JSON and take notes and options from it. No message contains anything of the request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from clinspan import strict_json
from clinspan.errors import ClinspanError
from clinspan.serving.limits import VERB_OPTIONS, RequestLimits
from clinspan.strict_json import kind
from clinspan.text.decode import AGGREGATIONS, Aggregation, Threshold

# The second text of a pair, as transformers names it.
_SECOND = "text_pair"
_SURROGATE = re.compile("[\ud800-\udfff]")


class RequestError(ClinspanError):
    """A request that cannot be answered: an HTTP status, a code for programs, a message for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class RequestNote:
    """A note of a request, with the name that its answer carries; of a pair, its second text too."""

    id: str
    text: str
    second: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The notes to read, and how.

    Attributes:
        notes: in the order of the request.
        single: the request has `text`, and its answer has no id.
        threshold, aggregation, timeout: as in `Recognizer.recognize`.
        assertion, regimens: whether to say what the note says of its spans, and how each drug is taken.
        truncate, normalize: as in `Classifier.classify` and `Embedder.embed`.
    """

    notes: tuple[RequestNote, ...]
    single: bool
    threshold: Threshold = 0.0
    aggregation: Aggregation | None = None
    timeout: float | None = None
    assertion: bool = False
    regimens: bool = False
    truncate: bool = False
    normalize: bool = False


def parse_json(body: bytes | str, limits: RequestLimits) -> Any:
    """Read a body as JSON.

    Raises:
        RequestError: 413 too large, 400 not UTF-8 or not JSON as `strict_json` reads it.
    """
    size = len(body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass"))
    if size > limits.max_bytes:
        raise RequestError(
            413, "too_large", f"the body has {size} bytes, and at most {limits.max_bytes} are allowed"
        )
    text, problem = "", None
    try:
        text = body if isinstance(body, str) else body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = error.start
    if problem is not None:  # raised out here: Python's own error holds the whole body
        raise RequestError(400, "not_utf8", f"the body is not UTF-8 (byte {problem})")
    return strict_json.parse_json(text, "the body", error=partial(RequestError, 400, "not_json"))


def parse_request(data: object, limits: RequestLimits, verb: str = "recognize") -> Request:
    """Check a request.

    Args:
        data: the JSON value.
        limits: what it may ask for.
        verb: what the model does, one of `VERB_OPTIONS`.

    Raises:
        RequestError: 400 a field is unknown, missing or of the wrong kind, 413 it holds too much.
    """
    if not isinstance(data, dict):
        raise _wrong(f"the request is {kind(data)}: expected an object with text or notes")
    texts = ("text", _SECOND) if verb == "classify" else ("text",)
    fields = {"notes", *texts, *VERB_OPTIONS[verb]}
    others = sorted((set(data) & {_SECOND, *OPTION_CHECKS}) - fields)
    if others:
        raise _wrong(
            f"the model here can {verb}, and {others[0]} is not for that: expected some of "
            f"{', '.join(sorted(fields))}"
        )
    if not set(data) <= fields:
        raise _wrong(f"the request has an unknown field: expected some of {', '.join(sorted(fields))}")
    if ("text" in data) == ("notes" in data):
        raise _wrong("expected either text or notes in the request, and not both")
    if "notes" in data and _SECOND in data:
        raise _wrong(f"{_SECOND} goes beside text, in each of the notes")
    single = {name: data[name] for name in texts if name in data}
    notes = (_note(single, ""),) if "text" in data else _notes(data["notes"], limits, texts)
    characters = sum(len(note.text) + len(note.second or "") for note in notes)
    if characters > limits.max_characters:
        raise RequestError(
            413,
            "too_large",
            f"the notes have {characters} characters, and at most {limits.max_characters} are allowed",
        )
    options: dict[str, Any] = {}
    for name, check in OPTION_CHECKS.items():
        if data.get(name) is None:
            continue
        if name not in limits.options:
            raise _wrong(f"the option {name} is not allowed here")
        options[name] = check(data[name])
    return Request(notes, "text" in data, **options)


def _notes(rows: object, limits: RequestLimits, texts: Sequence[str]) -> tuple[RequestNote, ...]:
    if not isinstance(rows, list):
        raise _wrong(f"notes is {kind(rows)}: expected a list of objects with id and text")
    if len(rows) > limits.max_notes:
        raise RequestError(
            413, "too_large", f"there are {len(rows)} notes, and at most {limits.max_notes} are allowed"
        )
    notes = tuple(_row(row, number, texts) for number, row in enumerate(rows))
    if len({note.id for note in notes}) < len(notes):
        raise _wrong("two notes have the same id: give each its own, or leave the ids out")
    return notes


def _row(row: object, number: int, texts: Sequence[str]) -> RequestNote:
    where = f"notes[{number}]"
    if not isinstance(row, dict):
        raise _wrong(f"{where} is {kind(row)}: expected an object with id and text")
    if not set(row) <= {"id", *texts}:
        raise _wrong(f"{where} has an unknown field: expected id and {' and '.join(texts)}")
    name = row.get("id", number)
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise _wrong(f"{where}.id is {kind(name)}: expected a string or an integer")
    return _note(row, _text(str(name), f"{where}.id"), f"{where}.")


def _note(row: Mapping[str, object], name: str, where: str = "") -> RequestNote:
    second = row.get(_SECOND)
    return RequestNote(
        name,
        _text(row.get("text"), f"{where}text"),
        None if second is None else _text(second, f"{where}{_SECOND}"),
    )


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(f"{where} is {kind(value)}: expected a string")
    if _SURROGATE.search(value):
        # It could not be sent back: an answer is UTF-8.
        raise _wrong(f"{where} holds half of a surrogate pair: it is not valid Unicode text")
    return value


def _threshold(value: object) -> Threshold:
    if _is_probability(value):
        return value  # type: ignore[return-value]
    if isinstance(value, Mapping) and all(_is_probability(limit) for limit in value.values()):
        return dict(value)
    raise _wrong("threshold: expected a probability, 0 to 1, or an object with one for each label")


def _is_probability(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _aggregation(value: object) -> Aggregation:
    if isinstance(value, str) and value in AGGREGATIONS:
        return value
    raise _wrong(f"aggregation: expected one of {', '.join(AGGREGATIONS)}")


def _timeout(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6:
        return float(value)
    raise _wrong("timeout: expected seconds, more than 0")


def _switch(name: str) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise _wrong(f"{name}: expected true or false")

    return check


OPTION_CHECKS: dict[str, Callable[[object], Any]] = {
    "threshold": _threshold,
    "aggregation": _aggregation,
    "timeout": _timeout,
    "assertion": _switch("assertion"),
    "regimens": _switch("regimens"),
    "truncate": _switch("truncate"),
    "normalize": _switch("normalize"),
}


def _wrong(message: str) -> RequestError:
    return RequestError(400, "bad_request", message)
