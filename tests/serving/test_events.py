"""Events that nobody waits for: dealt with through a sink, or raised so that the service delivers them again."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from clinspan.serving import Service, make_handler
from clinspan.serving.aws_events import UnattendedEventError

NOTE = {"text": "She has pneumonia."}
SECRET = "Zebrafinch"


def events(body: object) -> dict[str, dict[str, Any]]:
    text = json.dumps(body)
    data = base64.b64encode(text.encode()).decode()
    return {
        "sns": {"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "1", "Message": text}}]},
        "kinesis": {"Records": [{"eventSource": "aws:kinesis", "eventID": "1", "kinesis": {"data": data}}]},
        "eventbridge": {"id": "1", "source": "ward", "detail-type": "note", "detail": body},
        "kafka": {
            "eventSource": "aws:kafka",
            "records": {"notes-0": [{"topic": "notes", "partition": 0, "offset": 15, "value": data}]},
        },
        "rabbit": {
            "eventSource": "aws:rmq",
            "rmqMessagesByQueue": {"notes::/": [{"basicProperties": {"messageId": "1"}, "data": data}]},
        },
        "activemq": {"eventSource": "aws:mq", "messages": [{"messageID": "1", "data": data}]},
    }


KINDS = list(events({}))


S3 = {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]}
LOGS = {"awslogs": {"data": "H4sIAAAAAAAA"}}
CHANGES = {"eventSource": "aws:docdb", "events": [{"event": {"fullDocument": {}}}]}
TABLE = {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"Keys": {}}}]}


@pytest.fixture(scope="module")
def service() -> Service:
    return Service.load({"CLINSPAN_LOG_LEVEL": "ERROR"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_sink_gets_the_answer(kind: str, service: Service) -> None:
    """Under the message's id."""
    got: dict[str, Mapping[str, Any]] = {}
    handler = make_handler(service, sink=got.__setitem__)
    assert handler(events(NOTE)[kind], None) == {"statusCode": 200}
    ((name, found),) = got.items()
    assert name == ("notes-0-15" if kind == "kafka" else "1")
    assert [span["text"] for span in found["spans"]] == ["pneumonia"]


@pytest.mark.parametrize(
    "event",
    [*events(NOTE).values(), S3, TABLE, LOGS, CHANGES],
    ids=[*KINDS, "s3", "table", "logs", "changes"],
)
def test_without_a_sink_it_raises(event: dict[str, Any], service: Service) -> None:
    """A status code in the return value counts as success there."""
    with pytest.raises(UnattendedEventError, match="throws answers away"):
        make_handler(service)(event, None)


@pytest.mark.parametrize("event", [S3, TABLE, LOGS, CHANGES], ids=["s3", "table", "logs", "changes"])
def test_an_event_that_only_points_at_something_raises(event: dict[str, Any], service: Service) -> None:
    """The object is read by a handler of the user's own."""
    with pytest.raises(UnattendedEventError, match="holds no notes"):
        make_handler(service, sink=lambda *_: None)(event, None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_that_fails_raises_and_tells_nothing(kind: str, service: Service) -> None:
    """Whether the message is not a request, or the sink fails."""

    def failing(name: str, answer: Mapping[str, Any]) -> None:
        raise OSError(SECRET)

    for body, sink in (({"texts": SECRET}, lambda *_: None), (NOTE, failing)):
        with pytest.raises(UnattendedEventError, match="1 of 1 messages") as raised:
            make_handler(service, sink=sink)(events(body)[kind], None)
        assert SECRET not in str(raised.value)
