"""An answer is never larger than the service passes on, counted as it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from clinspan import Recognizer, Span
from clinspan.serving import RequestLimits, Service, make_handler

# What AWS Lambda lets through, in bytes.
LAMBDA = 6_291_556


@pytest.fixture(scope="module")
def recognizer() -> Iterator[Recognizer]:
    with Recognizer.load(threads=1) as loaded:
        yield loaded


def handler(recognizer: Recognizer, limit: int = RequestLimits().max_answer_bytes) -> Any:
    return make_handler(Service(recognizer, RequestLimits(max_answer_bytes=limit)))


def http(text: str) -> dict[str, Any]:
    return {"requestContext": {"http": {"method": "POST"}}, "body": json.dumps({"text": text})}


@pytest.mark.parametrize("word", ["Pneumonia", 'a"b\\c"d\\e', "肺炎肺炎肺炎肺炎肺"])
@pytest.mark.parametrize("count", [20_000, 40_000, 52_000, 60_000, 70_000])
def test_an_answer_to_http_is_counted_as_a_string_in_json(
    recognizer: Recognizer, word: str, count: int
) -> None:
    """Quotation marks and backslashes get another backslash on the wire; too much of that is a 413."""
    spans = [Span("PROBLEM", 12 * i, 12 * i + 9, word, 0.987654) for i in range(count)]
    event = http(f"{word}.\n\n" * 10)
    with mock.patch.object(Recognizer, "pipe", side_effect=lambda *_, **__: iter([spans])):
        whole = handler(recognizer, 10**9)(event, None)
        answer = handler(recognizer)(event, None)
    assert answer["statusCode"] == (200 if len(json.dumps(whole["body"])) < 6_000_000 else 413)
    assert len(json.dumps(answer)) < LAMBDA


def test_the_limit_is_exact(recognizer: Recognizer) -> None:
    """The string as it is sent may have as many bytes as the limit, and not one more."""
    event = http("She has pneumonia.")
    with mock.patch("clinspan.serving.service._ms_since", return_value=1.0):
        handler(recognizer)(event, None)  # a first answer says that it was cold
        sent = len(json.dumps(handler(recognizer)(event, None)["body"]))
        assert handler(recognizer, sent)(event, None)["statusCode"] == 200
        assert handler(recognizer, sent - 1)(event, None)["statusCode"] == 413
