"""Events of AWS services that nobody waits for: SNS, Kinesis, Kafka, MQ, EventBridge, S3 and the like.

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
    whole = event.get("eventSource")  # Kafka, RabbitMQ, ActiveMQ, DocumentDB
    if isinstance(whole, str):
        return whole if re.fullmatch(r"aws:\w{1,40}|SelfManagedKafka", whole) else "an unknown service"
    if isinstance(event.get("awslogs"), dict):
        return "CloudWatch Logs"
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
    if "Records" in event:
        found = [_message(record) for record in event["Records"] if isinstance(record, dict)]
        return [message for message in found if message is not None]
    return _of_brokers(event)


def _of_brokers(event: Mapping[str, Any]) -> list[Message]:
    """List the messages of Kafka's topics, RabbitMQ's queues and ActiveMQ, each with a name that is its own."""
    lists = [event.get("messages")]
    for name in ("records", "rmqMessagesByQueue"):
        grouped = event.get(name)
        lists += grouped.values() if isinstance(grouped, dict) else []
    found: list[Message] = []
    for rows in lists:
        for row in rows if isinstance(rows, list) else []:
            body = row.get("value", row.get("data")) if isinstance(row, dict) else None
            if isinstance(body, str):
                found.append((_broker_id(row, len(found)), _decoded(body)))
    return found


def _broker_id(row: Mapping[str, Any], number: int) -> str:
    if "offset" in row:
        return f"{row.get('topic', '')}-{row.get('partition', '')}-{row['offset']}"
    properties = row.get("basicProperties")
    given = row.get("messageID") or (properties.get("messageId") if isinstance(properties, dict) else None)
    return str(given or number)


def _message(record: Mapping[str, Any]) -> Message | None:
    sns, kinesis = record.get("Sns"), record.get("kinesis")
    if isinstance(sns, dict) and isinstance(sns.get("Message"), str):
        return str(sns.get("MessageId", "")), sns["Message"]
    if isinstance(kinesis, dict) and isinstance(kinesis.get("data"), str):
        return str(record.get("eventID", "")), _decoded(kinesis["data"])
    return None


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return b""  # no JSON: refused as any body that is not
