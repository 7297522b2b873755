"""Events of AWS services that nobody waits for: SNS, Kinesis, EventBridge, S3 and the like.

Such a service throws the function's return value away, and takes any for success. So these events go to a sink, and a
failure is raised: the service then tries again, and in the end moves the event to the dead-letter queue. Event formats:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from clinspan.errors import ClinspanError
from clinspan.serving.service import Answer

# Id of a message and its body, as JSON.
Message = tuple[str, bytes | str]


class UnattendedEventError(ClinspanError):
    """An event that nobody waits for was not dealt with; raised so that its service delivers it again."""


def service_of(event: Mapping[str, Any]) -> str | None:
    """Name the service whose event this is; None for a caller that waits for the answer."""
    records = event.get("Records")
    if isinstance(records, list):
        first = records[0] if records and isinstance(records[0], dict) else {}
        name = str(first.get("EventSource") or first.get("eventSource"))
        return name if re.fullmatch(r"aws:\w{1,40}", name) else "an unknown service"
    return "EventBridge" if "detail-type" in event and "detail" in event else None


def take(event: Mapping[str, Any], service: str, answer: Callable[[str, bytes | str], Answer]) -> None:
    """Have each message of an event answered and delivered.

    Args:
        event: whose service `service_of` named.
        service: its name.
        answer: answers a message and delivers the answer.

    Raises:
        UnattendedEventError: the event has no messages that hold requests, or a message failed.
    """
    messages = _messages(event)
    if not messages:
        raise UnattendedEventError(
            f"an event of {service} holds no notes: read what it points to in a handler of your own"
        )
    failed = [
        answered.status
        for answered in (answer(name, body) for name, body in messages)
        if answered.status != 200
    ]
    if failed:
        raise UnattendedEventError(
            f"{len(failed)} of {len(messages)} messages of {service} failed with {', '.join(map(str, failed))}; "
            "the log says where"
        )


def _messages(event: Mapping[str, Any]) -> list[Message]:
    if "detail" in event:
        return [(str(event.get("id", "")), json.dumps(event["detail"]))]
    found = [_message(record) for record in event["Records"] if isinstance(record, dict)]
    return [message for message in found if message is not None]


def _message(record: Mapping[str, Any]) -> Message | None:
    sns, kinesis = record.get("Sns"), record.get("kinesis")
    if isinstance(sns, dict) and isinstance(sns.get("Message"), str):
        return str(sns.get("MessageId", "")), sns["Message"]
    if isinstance(kinesis, dict) and isinstance(kinesis.get("data"), str):
        try:
            return str(record.get("eventID", "")), base64.b64decode(kinesis["data"], validate=True)
        except (binascii.Error, ValueError):
            return str(record.get("eventID", "")), b""  # no JSON: refused as any body that is not
    return None
