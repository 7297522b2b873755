"""Batches of queue messages: nothing that failed is taken as done, nothing that is done comes again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from clinspan.serving import Service, make_handler
from clinspan.serving.aws_events import UnattendedEventError

NOTE = "She has pneumonia and was given ceftriaxone."
SECRET = "Zebrafinch"


class Context:
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture(scope="module")
def service() -> Service:
    return Service.load({})


@pytest.fixture(scope="module")
def found(service: Service) -> list[dict[str, Any]]:
    """The spans of the note, as a direct request gets them."""
    spans: list[dict[str, Any]] = make_handler(service)({"text": NOTE}, None)["spans"]
    assert spans
    return spans


def message(name: str, body: object, *, fifo: bool = False) -> dict[str, str]:
    return {
        "messageId": name,
        "body": body if isinstance(body, str) else json.dumps(body),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:notes" + (".fifo" if fifo else ""),
    }


def test_queue_batch_reports_the_failed_ones(service: Service, found: list[dict[str, Any]]) -> None:
    """Good messages reach the sink, bad ones go back to the queue, whatever their order."""
    got: dict[str, Mapping[str, Any]] = {}
    handler = make_handler(service, sink=got.__setitem__)
    records = [message("a", {"text": NOTE}), message("b", "{"), message("c", {"text": NOTE})]
    answer = handler({"Records": records}, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "b"}]}
    assert {name: body["spans"] for name, body in got.items()} == dict.fromkeys("ac", found)


def test_queue_batch_stops_at_the_deadline(service: Service) -> None:
    """Messages for which no time is left go back to the queue; none is half done."""
    got: dict[str, Mapping[str, Any]] = {}

    class Draining(Context):
        def get_remaining_time_in_millis(self) -> int:
            return 60_000 if not got else 100

    records = [message(name, {"text": NOTE}) for name in "abc"]
    answer = make_handler(service, sink=got.__setitem__)({"Records": records}, Draining())
    assert answer["batchItemFailures"] == [{"itemIdentifier": "b"}, {"itemIdentifier": "c"}]
    assert list(got) == ["a"]


def test_ordered_queue_keeps_its_order(service: Service) -> None:
    """After the first failure of a first-in first-out queue, nothing later is taken as done."""
    got: dict[str, Mapping[str, Any]] = {}
    records = [
        message(n, b, fifo=True) for n, b in [("a", {"text": NOTE}), ("b", "{"), ("c", {"text": NOTE})]
    ]
    answer = make_handler(service, sink=got.__setitem__)({"Records": records}, Context())
    assert answer["batchItemFailures"] == [{"itemIdentifier": "b"}, {"itemIdentifier": "c"}]
    assert list(got) == ["a"]


def test_failing_sink_fails_its_message(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """A result that could not be stored is not lost: its message comes again."""

    def sink(name: str, body: Mapping[str, Any]) -> None:
        raise OSError(f"{SECRET} is full")

    answer = make_handler(service, sink=sink)({"Records": [message("a", {"text": NOTE})]}, Context())
    assert answer["batchItemFailures"] == [{"itemIdentifier": "a"}]
    assert SECRET not in capsys.readouterr().out


def test_queue_without_a_sink_fails_the_batch(service: Service) -> None:
    """A queue throws the return value away: the whole batch comes again, and no result is lost unseen."""
    with pytest.raises(UnattendedEventError, match="sink="):
        make_handler(service)({"Records": [message("a", {"text": NOTE})]}, Context())
