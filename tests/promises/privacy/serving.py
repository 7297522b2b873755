"""Ways in which a request to a function in the cloud fails."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
import threading
from functools import partial
from typing import Any

import numpy as np
from tests.support.privacy.failing_paths import (
    BROKEN,
    NOTE,
    Action,
    Place,
    adder,
    recognizer,
)

from clinspan.serving import RequestLimits, Service, make_handler, make_http
from clinspan.serving.request import parse_json, parse_request
from clinspan.serving.server import hub_api, kserve
from clinspan.serving.server.asgi import make_asgi
from clinspan.serving.server.http import Server
from clinspan.serving.server.routes import Routes

PATHS: dict[str, Action] = {}
path = adder(PATHS)


class Request:
    """As Flask's, as far as it is used."""

    def __init__(self, method: str, body: bytes, length: int | None = None) -> None:
        self.method = method
        self.content_length = len(body) if length is None else length
        self.stream = io.BytesIO(body)


class Context:
    aws_request_id = "1"

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


REQUESTS: dict[str, Any] = {
    "text": NOTE,
    "unknown field": {"text": NOTE, NOTE: 1},
    "both": {"text": NOTE, "notes": []},
    "notes": {"notes": NOTE},
    "note": {"notes": [NOTE]},
    "note field": {"notes": [{NOTE: NOTE, "text": NOTE}]},
    "note id": {"notes": [{"id": [NOTE], "text": NOTE}]},
    "ids": {"notes": [{"id": NOTE, "text": NOTE}] * 2},
    "many": {"notes": [{"text": NOTE}] * 5},
    "long": {"text": NOTE * 100},
    "text type": {"text": [NOTE]},
    "surrogate": {"text": NOTE + "\ud800"},
    "threshold": {"text": NOTE, "threshold": NOTE},
    "threshold label": {"text": NOTE, "threshold": {NOTE: 0.5}},
    "aggregation": {"text": NOTE, "aggregation": NOTE},
    "timeout": {"text": NOTE, "timeout": NOTE},
    "assertion": {"text": NOTE, "assertion": NOTE},
    "timeout not allowed": {"text": NOTE, "timeout": 1},
    "answer": {"notes": [{"id": NOTE * 4, "text": NOTE}]},
}
BODIES: dict[str, bytes] = {
    "not JSON": json.dumps({"text": NOTE}).encode()[:-2],
    "not UTF-8": NOTE.encode() + b"\xff",
    "deep": b"[" * 4000,
    "too large": json.dumps({"text": NOTE * 200}).encode(),
}
LIMITS = RequestLimits(
    max_bytes=5000,
    max_answer_bytes=700,
    max_notes=4,
    max_characters=400,
    options=("threshold", "aggregation", "assertion"),
)


def service(place: Place, limits: RequestLimits = LIMITS, *, table: np.ndarray | None = None) -> Service:
    return Service(recognizer(place, table=table), limits)


def http_event(body: bytes | str, method: str = "POST", *, encoded: bool = True) -> dict[str, Any]:
    text = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    return {"requestContext": {"http": {"method": method}}, "body": text, "isBase64Encoded": encoded}


def direct(place: Place, value: Any) -> object:
    return make_handler(service(place))(value, None)


def queued(place: Place, value: Any) -> object:
    return make_handler(service(place), sink=lambda *_: None)(value, None)


def over_http(place: Place, body: bytes) -> object:
    kept = service(place)
    return [make_handler(kept)(http_event(body), None), make_http(kept)(Request("POST", body))]


def parsed(_: Place, value: Any, limits: RequestLimits) -> object:
    return parse_request(value, limits)


def parsed_body(_: Place, body: bytes) -> object:
    return parse_json(body, LIMITS)


for kind, value in REQUESTS.items():
    path(f"direct {kind}", partial(direct, value=value))
    path(f"parse {kind}", partial(parsed, value=value, limits=LIMITS))
    path(f"parse {kind} allowed", partial(parsed, value=value, limits=RequestLimits()))
for kind, body in BODIES.items():
    path(f"http {kind}", partial(over_http, body=body))
    path(f"parse body {kind}", partial(parsed_body, body=body))
    batch = {"Records": [{"messageId": "1", "body": body.decode("latin-1")}]}
    path(f"queue {kind}", partial(queued, value=batch))
path("http method", partial(direct, value=http_event(NOTE.encode(), "PUT")))
path("http no body", partial(direct, value={"requestContext": {}, "note": NOTE}))
path("http not base64", partial(direct, value=http_event(NOTE)))
path("http length", lambda place: make_http(service(place))(Request("POST", NOTE.encode(), 6000)))
path("no time left", lambda place: make_handler(service(place))({"text": NOTE}, Context(1)))
path("little time left", lambda place: make_handler(service(place))({"text": NOTE}, Context(501)))
path("model fails", lambda p: make_handler(service(p, table=BROKEN["fails"]))({"text": NOTE}, None))


def failing_sink(place: Place) -> object:
    def sink(name: str, answer: object) -> None:
        raise RuntimeError(NOTE)

    record = {"messageId": "1", "body": json.dumps({"text": NOTE})}
    return make_handler(service(place, RequestLimits()), sink=sink)({"Records": [record]}, None)


path("sink fails", failing_sink)


def event(place: Place, record: dict[str, Any], *, sink: bool) -> object:
    service = Service(recognizer(place), RequestLimits())
    handler = make_handler(service, sink=(lambda *_: None) if sink else None)
    return handler({"Records": [record]}, None)


path("event without a sink", partial(event, record={"EventSource": NOTE}, sink=False))
path("queue without a sink", partial(direct, value={"Records": [{"messageId": NOTE, "body": NOTE}]}))
path("event without notes", partial(event, record={"eventSource": "aws:s3", NOTE: NOTE}, sink=True))
path("event that fails", partial(event, record={"Sns": {"Message": NOTE}}, sink=True))


def served(place: Place, method: str, path: str, body: bytes, head: str = "") -> object:
    """A request over a socket; whatever the server raises ends in its answer."""
    server = Server(
        Routes(Service(recognizer(place), RequestLimits(max_bytes=500))), "127.0.0.1", 0, seconds=0.2
    )
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\nhost: x\r\n{head}\r\n".encode() + body)
            with connection.makefile("rb") as stream:
                stream.read()
    finally:
        server.stop()
    raise RuntimeError("answered")


def length(body: bytes, more: int = 0) -> str:
    return f"content-length: {len(body) + more}\r\nconnection: close\r\n"


INPUTS: dict[str, tuple[str, Any]] = {
    "page": ("/html", {"note": NOTE}),
    "inputs": ("/", {"inputs": {NOTE: NOTE}}),
    "strategy": ("/", {"inputs": NOTE, "parameters": {"aggregation_strategy": "none"}}),
}
for kind, (where, data) in INPUTS.items():
    sent = json.dumps(data).encode()
    path(f"server {kind}", partial(served, method="POST", path=where, body=sent, head=length(sent)))
path("server without length", partial(served, method="POST", path="/recognize", body=NOTE.encode()))
path(
    "server slow", partial(served, method="POST", path="/", body=NOTE.encode(), head=length(NOTE.encode(), 9))
)
path(
    "server large",
    partial(served, method="POST", path="/", body=NOTE.encode(), head=length(NOTE.encode() * 99)),
)
path("kserve", lambda place: kserve.request({"inputs": [{"name": NOTE}]}, "classify"))
TENSORS = [
    {"name": name, "datatype": "BYTES", "data": [NOTE] * count}
    for count, name in enumerate(("text", "text_pair"))
]
path("kserve of uneven pairs", lambda place: kserve.request({"inputs": TENSORS}, "classify"))
path(
    "request for another task", lambda place: parse_request({"text": NOTE, "regimens": True}, LIMITS, "embed")
)
path(
    "request with a second text beside notes",
    lambda place: parse_request({"notes": [{"text": NOTE}], "text_pair": NOTE}, LIMITS, "classify"),
)
path("hub top_k", lambda place: hub_api.asking(NOTE, {"top_k": NOTE}, "classify"))
path("hub inputs", lambda place: hub_api.asking([[NOTE]], None, "classify"))


def by_asgi(place: Place) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": NOTE.encode()}

    async def send(message: Any) -> None:
        pass

    application = make_asgi(Service(recognizer(place), RequestLimits(max_bytes=5)))
    asyncio.run(application({"type": "http", "method": "POST", "path": "/"}, receive, send))


path("asgi large", by_asgi)
