"""Answer one request, whatever service carries it."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clinspan import __version__
from clinspan.bundle.load_options import LoadOptions
from clinspan.embedder import Embedder
from clinspan.errors import DeadlineError, InputError
from clinspan.extract.models.by_task import AnyModel, load_any
from clinspan.serving import logs
from clinspan.serving.limits import RequestLimits, threads
from clinspan.serving.request import Request, RequestError, parse_json, parse_request
from clinspan.serving.verbs import verb_of


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and a JSON object, also as text."""

    status: int
    body: Mapping[str, Any]
    text: str

    @property
    def headers(self) -> dict[str, str]:
        """Name the headers of an HTTP response."""
        allow = {"allow": "GET, POST"} if self.status == 405 else {}
        return {"content-type": "application/json", **allow}


class Service:
    """A loaded model of any task and the limits under which it answers. May be shared by many threads.

    Attributes:
        limits: what a request may ask for.
        verb: what the model does for one.
        task: of the model, as the Hub names it.
        model: which it is.
    """

    def __init__(self, model: AnyModel, limits: RequestLimits, *, load_ms: float = 0.0) -> None:
        report = model.report()
        self.limits = limits
        self.verb = verb_of(model)
        self.task = report.task
        self._dimension = model.dimension if isinstance(model, Embedder) else None
        self._labels = frozenset(report.labels)
        self.model = {
            "name": report.model,
            "precision": report.precision,
            "sha256": report.sha256,
            "clinspan": __version__,
        }
        self._load_ms = round(load_ms, 1)
        self._cold = True

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Service:
        """Load the model and read the limits.

        Args:
            environment: CLINSPAN_MODEL, a folder (default: the bundled starter); CLINSPAN_PRECISION;
                CLINSPAN_THREADS; CLINSPAN_LOG_LEVEL; and those of `RequestLimits`. None for this process's.

        Raises:
            ClinspanError: as `Recognizer.load`; InputError for a variable that makes no sense.
        """
        environment = os.environ if environment is None else environment
        logs.configure(environment.get("CLINSPAN_LOG_LEVEL", "INFO"))
        limits = RequestLimits.read(environment)
        began = time.perf_counter()
        precision = environment.get("CLINSPAN_PRECISION") or None
        options = LoadOptions(precision=precision, threads=threads(environment))
        model = load_any(environment.get("CLINSPAN_MODEL") or None, options)
        service = cls(model, limits, load_ms=_ms_since(began))
        logs.write("loaded", model=service.model, ms=service._load_ms, threads=model.report().workers)
        return service

    def answer(
        self,
        read: Callable[[], object],
        *,
        seconds: float | None = None,
        request_id: str | None = None,
        quoted: bool = False,
    ) -> Answer:
        """Answer one request; never raises.

        Args:
            read: returns the request's JSON value, or raises RequestError.
            seconds: time that the service gives this request; None for no limit.
            request_id: for finding the request's log line; None to make one up.
            quoted: whether the answer's text is sent as a string inside other JSON, and its size counted so.
        """
        began = time.perf_counter()
        request_id = uuid.uuid4().hex if request_id is None else request_id
        cold, self._cold = self._cold, False
        facts: dict[str, Any] = {"request_id": request_id, "cold": cold}
        try:
            answer = self._answer(read, seconds, began, facts, quoted)
        except RequestError as error:
            answer = failure(error.status, error.code, str(error), request_id)
        except InputError as error:
            answer = failure(400, "bad_request", str(error), request_id)
        except DeadlineError as error:
            answer = failure(504, "deadline", str(error), request_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an id and the log a place
            logs.failure(request_id, error)
            answer = failure(500, "internal", "the function failed; its log says where", request_id)
        code = answer.body.get("error", {}).get("code", "ok")
        logs.write("request", status=answer.status, code=code, ms=_ms_since(began), **facts)
        return answer

    def answer_http(
        self,
        method: str,
        body: Callable[[], bytes | str],
        *,
        seconds: float | None = None,
        request_id: str | None = None,
        quoted: bool = False,
    ) -> Answer:
        """Answer an HTTP request: POST with a request, GET to ask which model is loaded.

        Args:
            method: in capitals.
            body: returns the request's body, or raises RequestError; not called where none is expected.
            seconds: as in `answer`.
            request_id: as in `answer`.
            quoted: as in `answer`.
        """

        def read() -> object:
            if method != "POST":
                raise RequestError(405, "method_not_allowed", "expected POST with a JSON body, or GET")
            return parse_json(body(), self.limits)

        if method in ("GET", "HEAD"):
            return self.describe()
        return self.answer(read, seconds=seconds, request_id=request_id, quoted=quoted)

    def describe(self) -> Answer:
        """Say which model is loaded and what it finds: the answer to a health check."""
        body: dict[str, Any] = {"model": self.model, "task": self.task, "labels": sorted(self._labels)}
        if self._dimension is not None:
            body["dimension"] = self._dimension
        return Answer(200, body, json.dumps(body))

    def _answer(
        self,
        read: Callable[[], object],
        seconds: float | None,
        began: float,
        facts: dict[str, Any],
        quoted: bool,
    ) -> Answer:
        request = parse_request(read(), self.limits, self.verb.name)
        self._check_labels(request)
        facts.update(notes=len(request.notes), characters=_characters(request))
        timeout = self.limits.seconds(seconds, request.timeout)
        if timeout is not None:
            timeout -= time.perf_counter() - began
            if timeout <= 0:
                raise DeadlineError("no time was left to read the notes: nothing was started")
        parsed = time.perf_counter()
        rows = list(self.verb.rows(request, timeout))
        facts[self.verb.counted] = sum(map(self.verb.count, rows))
        body = _result(request, rows)
        body["model"] = self.model
        body["timings"] = {
            "load_ms": self._load_ms,
            "inference_ms": _ms_since(parsed),
            "total_ms": _ms_since(began),
            "cold": facts["cold"],
        }
        text = json.dumps(body)
        # Inside a JSON string each quotation mark and backslash has a backslash before it; all else is plain ASCII.
        size = len(text) + (text.count('"') + text.count("\\") + 2 if quoted else 0)
        if size > self.limits.max_answer_bytes:
            raise RequestError(
                413,
                "answer_too_large",
                f"the answer has {size} bytes, and at most {self.limits.max_answer_bytes} can be sent: "
                "send fewer or shorter notes, or a higher threshold",
            )
        return Answer(200, body, text)

    def _check_labels(self, request: Request) -> None:
        if isinstance(request.threshold, Mapping) and not set(request.threshold) <= self._labels:
            raise RequestError(
                400,
                "bad_request",
                f"threshold names an unknown label: the model has {', '.join(sorted(self._labels))}",
            )


def failure(status: int, code: str, message: str, request_id: str) -> Answer:
    """Make the answer that says what went wrong; `message` holds nothing of a note."""
    body = {"error": {"code": code, "message": message, "id": request_id}}
    return Answer(status, body, json.dumps(body))


def _result(request: Request, rows: list[dict[str, Any]]) -> dict[str, Any]:
    if request.single:
        return rows[0]
    return {"notes": [{"id": note.id, **row} for note, row in zip(request.notes, rows, strict=True)]}


def _characters(request: Request) -> int:
    return sum(len(note.text) + len(note.second or "") for note in request.notes)


def _ms_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
