"""Turn AWS Lambda's events into requests, and answers into what each kind of caller expects.

Event formats: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html (function URLs and API
Gateway v2), https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html (queue batches).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from clinspan.serving import logs
from clinspan.serving.aws_events import UnattendedEventError, service_of, take
from clinspan.serving.request import RequestError, parse_json
from clinspan.serving.service import Answer, Service, failure

Sink = Callable[[str, Mapping[str, Any]], None]
Handler = Callable[[Any, Any], dict[str, Any]]


def make_handler(service: Service, *, sink: Sink | None = None) -> Handler:
    """Make a Lambda handler.

    Args:
        service: the loaded model.
        sink: called with the id and answer of each message of a queue, SNS, Kinesis or EventBridge; if it
            raises, that message fails, and its service delivers it again. Without a sink these events raise, since
            their services throw the handler's return value away, and the answers would be lost.

    Returns:
        `handler(event, context)`. A direct invocation is answered with the result and a `statusCode`,
        which is 4xx or 5xx beside an `error`; an HTTP event with a response; a batch of queue messages with
        the ids of those that failed (`ReportBatchItemFailures` has to be switched on). For an event that nobody
        waits for, it raises UnattendedEventError where a message failed or there is no sink.
    """

    def handler(event: Any, context: Any) -> dict[str, Any]:
        if isinstance(event, dict) and _is_batch(event):
            if sink is None:
                raise _no_sink("a queue")
            return _batch(service, event["Records"], context, sink)
        if isinstance(event, dict) and (origin := service_of(event)) is not None:
            return _unattended(service, event, origin, context, sink)
        if isinstance(event, dict) and "requestContext" in event:
            return _http(service, event, context)
        answer = service.answer(lambda: event, seconds=_seconds(context), request_id=_id(context))
        return {"statusCode": answer.status, **answer.body}

    return handler


def _unattended(
    service: Service, event: Mapping[str, Any], origin: str, context: Any, sink: Sink | None
) -> dict[str, Any]:
    if sink is None:
        raise _no_sink(origin)

    def answer(name: str, body: bytes | str) -> Answer:
        answered = service.answer(
            lambda: parse_json(body, service.limits),
            seconds=_seconds(context),
            request_id=name or _id(context),
        )
        return _deliver(sink, name, answered) if answered.status == 200 else answered

    take(event, origin, answer)
    return {"statusCode": 200}


def _no_sink(origin: str) -> UnattendedEventError:
    return UnattendedEventError(
        f"an event of {origin}, which throws answers away: make a handler with make_handler(..., sink=...)"
    )


def _http(service: Service, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    request = event["requestContext"]
    version_2 = request.get("http") if isinstance(request, dict) else None
    named = version_2.get("method") if isinstance(version_2, dict) else None
    method = str(named or event.get("httpMethod") or "POST").upper()
    answer = service.answer_http(
        method, lambda: _body(event), seconds=_seconds(context), request_id=_id(context), quoted=True
    )
    return {
        "statusCode": answer.status,
        "headers": answer.headers,
        "body": answer.text,
        "isBase64Encoded": False,
    }


def _body(event: Mapping[str, Any]) -> bytes | str:
    body = event.get("body")
    if not isinstance(body, str):
        raise RequestError(400, "bad_request", "the request has no body: expected JSON with text or notes")
    if not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(400, "bad_request", "the body is not valid base64") from None


def _is_batch(event: Mapping[str, Any]) -> bool:
    records = event.get("Records")
    return isinstance(records, list) and all(
        isinstance(record, dict) and "messageId" in record and "body" in record for record in records
    )


def _batch(service: Service, records: list[dict[str, Any]], context: Any, sink: Sink) -> dict[str, Any]:
    failed: list[str] = []
    # A first-in first-out queue keeps its order only if nothing after a failure is taken as done.
    ordered = any(str(record.get("eventSourceARN", "")).endswith(".fifo") for record in records)
    for record in records:
        name = str(record["messageId"])
        if failed and ordered:
            failed.append(name)
            continue
        answer = service.answer(
            lambda record=record: parse_json(_body(record), service.limits),  # type: ignore[misc]
            seconds=_seconds(context),
            request_id=name,
        )
        if answer.status == 200:
            answer = _deliver(sink, name, answer)
        if answer.status != 200:
            failed.append(name)
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}


def _deliver(sink: Sink, name: str, answer: Answer) -> Answer:
    try:
        sink(name, answer.body)
    except Exception as error:  # noqa: BLE001 - whatever it is, the message goes back to its queue
        logs.failure(name, error)
        return failure(500, "internal", "the sink failed", name)
    return answer


def _seconds(context: Any) -> float | None:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return None if remaining is None else remaining() / 1000


def _id(context: Any) -> str | None:
    return getattr(context, "aws_request_id", None)
