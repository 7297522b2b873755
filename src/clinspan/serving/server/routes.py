"""The routes of `clinspan serve`: a request's method, path and body become a reply, whatever server carries them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clinspan.clinical.assertion import assertions
from clinspan.clinical.medication import regimens
from clinspan.interop import html
from clinspan.serving import logs
from clinspan.serving.limits import VERB_OPTIONS
from clinspan.serving.request import RequestError, parse_json
from clinspan.serving.server import hub_api, kserve
from clinspan.serving.server.metrics import Metrics
from clinspan.serving.server.openapi import document
from clinspan.serving.server.page import PAGE, POLICY
from clinspan.serving.service import Answer, Service, failure

_VERB_PATHS = {f"/{name}" for name in VERB_OPTIONS} | {"/html"}
_JSON = {"content-type": "application/json"}
# Security of the page: it loads nothing, and talks to this server alone.
_PAGE_HEADERS = {"content-type": "text/html; charset=utf-8", "content-security-policy": POLICY}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request: `path` without a query; `body` returns its bytes or raises RequestError; seconds that it may take."""

    method: str
    path: str
    body: Callable[[], bytes]
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Routes:
    """Answers the calls of a server; shared by its threads.

    Attributes:
        ready: whether new requests are welcome; a server that stops clears it.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.metrics = Metrics(service.model, service.verb.counted)
        self.ready = True

    def reply(self, call: HttpRequest) -> HttpReply:
        """Answer a call; never raises."""
        began = time.perf_counter()
        route, run = self._route(call)
        with self.metrics.under_way():
            try:
                answered = run()
            except Exception as error:  # noqa: BLE001 - the caller gets an answer, the log a place
                logs.failure("", error)
                answered = _answer(failure(500, "internal", "the server failed; its log says where", ""))
        self.metrics.add(route, answered.status, time.perf_counter() - began)
        return answered

    def _route(self, call: HttpRequest) -> tuple[str, Callable[[], HttpReply]]:
        """Find who answers a call, and the name under which it is counted."""
        method = "GET" if call.method == "HEAD" else call.method
        path = call.path.rstrip("/") or "/"
        model, own = kserve.model_path(path), f"/{self.service.verb.name}"
        named: dict[tuple[str, str], Callable[[], HttpReply]] = {
            ("GET", "/"): self._page,
            ("GET", "/healthz"): lambda: _json(200, {"status": "alive"}),
            ("GET", "/readyz"): self._readiness,
            ("GET", "/metrics"): self._measures,
            ("GET", "/openapi.json"): lambda: _json(200, document(self.service.verb.name)),
            ("GET", own): lambda: _answer(self.service.describe()),
            ("POST", own): lambda: _answer(self._ask(call, lambda data: data)),
            ("POST", "/"): lambda: self._either(call),
            ("GET", "/v2"): lambda: _json(200, kserve.server()),
            ("GET", "/v2/health/live"): lambda: _json(200, {"live": True}),
            ("GET", "/v2/health/ready"): self._readiness,
        }
        if own == "/recognize":
            named["POST", "/html"] = lambda: self._highlight(call)
        if (method, path) in named:
            return path, named[method, path]
        if model is not None:
            return "/v2/models", lambda: self._kserve(method, *model, call)
        allowed = sorted(verb for verb, other in named if other == path)
        if not allowed and path in _VERB_PATHS:
            return "other", lambda: _answer(self._other_task(own))
        return "other", lambda: _refused(allowed)

    def _readiness(self) -> HttpReply:
        return _json(200 if self.ready else 503, {"status": "ready" if self.ready else "stopping"})

    def _measures(self) -> HttpReply:
        return HttpReply(
            200, {"content-type": "text/plain; version=0.0.4; charset=utf-8"}, self.metrics.text().encode()
        )

    def _page(self) -> HttpReply:
        """Answer with the page, which shows entities; another model says what it is."""
        if self.service.verb.name == "recognize":
            return HttpReply(200, _PAGE_HEADERS, PAGE.encode())
        return _answer(self.service.describe())

    def _other_task(self, own: str) -> Answer:
        said = f"the model here is for {self.service.task}: ask {own}"
        return failure(404, "other_task", said, "")

    def _ask(self, call: HttpRequest, understand: Callable[[Any], object]) -> Answer:
        """Have the service answer what `understand` makes of the body's JSON."""

        def read() -> object:
            request = understand(parse_json(call.body(), self.service.limits))
            self.metrics.count_text(request)
            return request

        answer = self.service.answer(read, seconds=call.seconds)
        if answer.status == 200:
            notes = answer.body.get("notes", [answer.body])
            self.metrics.count_found(sum(map(self.service.verb.count, notes)))
        return answer

    def _either(self, call: HttpRequest) -> HttpReply:
        """Answer the root, where clients of the Hugging Face inference API post `{"inputs": ...}`."""
        asked: list[hub_api.Asking] = []
        verb = self.service.verb.name

        def understand(data: Any) -> object:
            if not isinstance(data, dict) or "inputs" not in data:
                return data
            asking = hub_api.asking(data["inputs"], data.get("parameters"), verb)
            asked.append(asking)
            return asking.request

        answer = self._ask(call, understand)
        if answer.status != 200 or not asked:
            return _answer(answer)
        return _json(200, hub_api.reply(answer.body["notes"], asked[0], verb))

    def _highlight(self, call: HttpRequest) -> HttpReply:
        """Answer the page: the note as HTML, with assertions and regimens."""
        texts: list[str] = []

        def understand(data: Any) -> object:
            if not isinstance(data, dict) or not isinstance(data.get("text"), str):
                raise RequestError(400, "bad_request", "expected an object with the field text")
            texts.append(data["text"])
            return data

        answer = self._ask(call, understand)
        if answer.status != 200:
            return _answer(answer)
        (note,), spans = texts, [hub_api.span(row) for row in answer.body["spans"]]
        shown = html.section(note, spans, assertions=assertions(note, spans), regimens=regimens(note, spans))
        return _json(200, {"html": shown, "spans": len(spans)})

    def _kserve(self, method: str, name: str, action: str, call: HttpRequest) -> HttpReply:
        if name != self.service.model["name"]:
            return _answer(failure(404, "not_found", "this model is not loaded here", ""))
        if (method, action) == ("GET", "ready"):
            return self._readiness()
        if (method, action) == ("GET", ""):
            return _json(200, kserve.model(name, self.service.verb.name))
        if (method, action) != ("POST", "infer"):
            return _refused(["POST"] if action == "infer" else ["GET"])
        ids: list[str] = []

        def understand(data: Any) -> object:
            ids.append(str(data["id"]) if isinstance(data, dict) and isinstance(data.get("id"), str) else "")
            return kserve.request(data, self.service.verb.name)

        answer = self._ask(call, understand)
        if answer.status != 200:
            return _answer(answer)
        return _json(200, kserve.response(name, ids[0], answer.body["notes"], self.service.verb.name))


def _answer(answer: Answer) -> HttpReply:
    return HttpReply(answer.status, answer.headers, answer.text.encode())


def _json(status: int, body: object) -> HttpReply:
    return HttpReply(status, _JSON, json.dumps(body).encode())


def _refused(allowed: list[str]) -> HttpReply:
    """Answer a path that is not there, or one that takes other methods."""
    if not allowed:
        return _answer(failure(404, "not_found", "no such path: /openapi.json lists those there are", ""))
    refused = failure(405, "method_not_allowed", f"expected {' or '.join(allowed)}", "")
    return HttpReply(405, {**_JSON, "allow": ", ".join(allowed)}, refused.text.encode())
