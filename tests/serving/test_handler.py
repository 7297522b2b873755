"""Events in, answers out: every caller gets a whole answer or a clear error, and no log quotes a note."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest

from clinspan import InputError, Recognizer
from clinspan.serving import RequestLimits, Service, make_handler
from clinspan.serving.limits import threads

NOTE = "She has pneumonia and was given ceftriaxone."
SECRET = "Zebrafinch"


class Context:
    aws_request_id = "request-1"

    def __init__(self, milliseconds: int = 60_000) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


@pytest.fixture(scope="module")
def service(recognizer: Recognizer) -> Service:
    return Service.load({})


@pytest.fixture(scope="module")
def handler(service: Service) -> Any:
    return make_handler(service)


def rows(recognizer: Recognizer, note: str) -> list[dict[str, Any]]:
    return [
        {"label": s.label, "start": s.start, "end": s.end, "text": s.text, "score": round(s.score, 6)}
        for s in recognizer.recognize(note)
    ]


def gateway(body: Any, *, encoded: bool = False, method: str = "POST") -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return {
        "version": "2.0",
        "requestContext": {"http": {"method": method, "path": "/"}},
        "body": base64.b64encode(text.encode()).decode() if encoded else text,
        "isBase64Encoded": encoded,
    }


def test_direct_text(handler: Any, recognizer: Recognizer) -> None:
    """{"text"} is answered with spans, the model's hash and timings."""
    answer = handler({"text": NOTE}, Context())
    assert answer["statusCode"] == 200
    assert answer["spans"] == rows(recognizer, NOTE)
    assert answer["model"]["sha256"] == recognizer.report().sha256
    assert answer["timings"]["total_ms"] >= answer["timings"]["inference_ms"] > 0


def test_direct_notes(handler: Any, recognizer: Recognizer) -> None:
    """{"notes"} is answered in order, under the ids given, or their numbers if they have no id."""
    answer = handler({"notes": [{"id": "b", "text": NOTE}, {"text": ""}, {"id": 7, "text": NOTE}]}, None)
    found = rows(recognizer, NOTE)
    assert answer["notes"] == [
        {"id": "b", "spans": found},
        {"id": "1", "spans": []},
        {"id": "7", "spans": found},
    ]


@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "base64"])
def test_http_events(handler: Any, recognizer: Recognizer, encoded: bool) -> None:
    """API Gateway v2 and function URLs send one format; both bodies are read, and JSON comes back."""
    note = "Fièvre 39 °C — pneumonia 🫁."
    response = handler(gateway({"text": note}, encoded=encoded), Context())
    assert response["statusCode"] == 200
    assert response["headers"]["content-type"] == "application/json"
    assert response["isBase64Encoded"] is False
    assert json.loads(response["body"])["spans"] == rows(recognizer, note)


def test_http_get_names_the_model(handler: Any, recognizer: Recognizer) -> None:
    """GET says which model is loaded: a health check that costs no inference."""
    body = json.loads(handler(gateway("", method="GET"), Context())["body"])
    assert body["model"]["sha256"] == recognizer.report().sha256
    assert body["labels"] == sorted(recognizer.report().labels)


def test_options(handler: Any, recognizer: Recognizer) -> None:
    """A request's threshold and aggregation are those of `recognize`."""
    expected = recognizer.recognize(NOTE, threshold={"PROBLEM": 1.0}, aggregation="max")
    answer = handler({"text": NOTE, "threshold": {"PROBLEM": 1.0}, "aggregation": "max"}, None)
    assert [(s["label"], s["start"]) for s in answer["spans"]] == [(s.label, s.start) for s in expected]


BAD_REQUESTS: dict[str, tuple[object, int]] = {
    "a number": (3, 400),
    "a list": ([SECRET], 400),
    "nothing": ({}, 400),
    "both": ({"text": SECRET, "notes": []}, 400),
    "unknown field": ({"text": SECRET, SECRET: 1}, 400),
    "text is a number": ({"text": 1}, 400),
    "text is null": ({"text": None}, 400),
    "notes is a string": ({"notes": SECRET}, 400),
    "a note is a string": ({"notes": [SECRET]}, 400),
    "a note has an unknown field": ({"notes": [{"text": SECRET, "x": 1}]}, 400),
    "an id is a fraction": ({"notes": [{"id": 1.5, "text": SECRET}]}, 400),
    "two ids are the same": ({"notes": [{"id": "1", "text": SECRET}, {"id": 1, "text": SECRET}]}, 400),
    "half a surrogate pair": ({"text": SECRET + "\ud83d"}, 400),
    "threshold too high": ({"text": SECRET, "threshold": 1.5}, 400),
    "threshold is text": ({"text": SECRET, "threshold": SECRET}, 400),
    "threshold names no label": ({"text": SECRET, "threshold": {SECRET: 0.5}}, 400),
    "threshold is not a number": ({"text": SECRET, "threshold": float("nan")}, 400),
    "aggregation unknown": ({"text": SECRET, "aggregation": SECRET}, 400),
    "timeout is nought": ({"text": SECRET, "timeout": 0}, 400),
    "too many notes": ({"notes": [{"text": SECRET}] * 101}, 413),
    "too many characters": ({"text": SECRET * 300_000}, 413),
}


@pytest.mark.parametrize(("event", "status"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_requests(handler: Any, event: object, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong request gets a 4xx that says what is wrong, over HTTP and directly; neither answer nor log quotes the request."""
    direct = handler(event, Context())
    assert direct["statusCode"] == status
    assert direct["error"]["id"] == "request-1"
    over_http = handler(gateway(event), Context())
    assert over_http["statusCode"] == status
    said = json.dumps(direct) + over_http["body"] + capsys.readouterr().out
    assert SECRET not in said


BAD_BODIES = {
    "not JSON": (gateway('{"text": "Zebrafinch'), 400),
    "not base64": ({**gateway(""), "body": "%%%", "isBase64Encoded": True}, 400),
    "not UTF-8": (
        {**gateway(""), "body": base64.b64encode(b"\xff\xfe\x00").decode(), "isBase64Encoded": True},
        400,
    ),
    "no body": ({**gateway(""), "body": None}, 400),
    "too deep": (gateway("[" * 100_000), 400),
    "a huge number": (gateway('{"text": ' + "1" * 5000 + "}"), 400),
    "too large": (gateway(" " * 7_000_000), 413),
    "wrong method": (gateway("{}", method="DELETE"), 405),
}


@pytest.mark.parametrize(("event", "status"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_bodies(
    handler: Any, event: dict[str, Any], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A body that cannot be read is a 4xx whose body is JSON."""
    response = handler(event, Context())
    assert response["statusCode"] == status
    assert json.loads(response["body"])["error"]["message"]
    assert SECRET not in response["body"] + capsys.readouterr().out


def test_damaged_base64_is_not_read_as_far_as_it_goes(handler: Any) -> None:
    """A body with characters that are not base64 is refused, although the rest of it would be a request."""
    event = gateway({"text": NOTE}, encoded=True)
    assert "base64" in handler({**event, "body": "%" + event["body"]}, Context())["body"]


def test_stops_before_the_deadline(handler: Any) -> None:
    """A request that needs more time than is left ends in 504 with an error, and with no spans at all."""
    answer = handler({"notes": [{"text": NOTE}, {"text": NOTE * 5000}]}, Context(1000))
    assert answer["statusCode"] == 504
    assert answer["error"]["code"] == "deadline"
    assert "notes" not in answer


def test_starts_nothing_with_no_time_left(handler: Any) -> None:
    """With less time than the reserve, nothing is started."""
    assert handler({"text": NOTE}, Context(300))["statusCode"] == 504


def test_request_can_ask_for_less_time(handler: Any) -> None:
    """A request's own timeout counts where it is the shorter."""
    assert handler({"text": NOTE * 5000, "timeout": 0.2}, Context())["statusCode"] == 504


def test_internal_failure(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error is a 500 with an id; the log has its place, and neither log nor body has its message."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot read {SECRET}")

    monkeypatch.setattr(Recognizer, "pipe", fail)
    answer = make_handler(service)({"text": SECRET}, Context())
    assert answer["statusCode"] == 500
    assert answer["error"]["id"] == "request-1"
    log = capsys.readouterr().out
    assert SECRET not in json.dumps(answer) + log
    line = next(json.loads(line) for line in log.splitlines() if '"failure"' in line)
    assert line["error"] == ["RuntimeError"]
    assert line["request_id"] == "request-1"
    assert any("fail" in place for place in line["at"])


def test_logs_are_one_json_object_a_line(handler: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A request's line says how large it was and how long it took, and never what was in it."""
    handler({"text": f"{SECRET}: {NOTE}\nNew line."}, Context())
    (line,) = capsys.readouterr().out.splitlines()
    facts = json.loads(line)
    assert facts["event"] == "request"
    assert (facts["status"], facts["notes"], facts["characters"]) == (200, 1, 66)
    assert SECRET not in line
    assert "pneumonia" not in line


def test_root_logger_gets_nothing(handler: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Lambda's own root handler would write each line a second time."""
    seen: list[logging.LogRecord] = []

    class Root(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    root = Root()
    logging.getLogger().addHandler(root)
    try:
        handler({"text": NOTE}, Context())
    finally:
        logging.getLogger().removeHandler(root)
    assert seen == []
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_limits_from_the_environment(recognizer: Recognizer) -> None:
    """Whoever runs the function decides what a request may ask for."""
    limits = RequestLimits.read({"CLINSPAN_MAX_CHARACTERS": "50", "CLINSPAN_OPTIONS": "threshold"})
    handler = make_handler(Service(recognizer, limits))
    assert handler({"text": NOTE, "threshold": 0.1}, None)["statusCode"] == 200
    assert handler({"text": NOTE * 2}, None)["statusCode"] == 413
    assert handler({"text": NOTE, "aggregation": "max"}, None)["statusCode"] == 400
    small = make_handler(Service(recognizer, RequestLimits(max_answer_bytes=100)))
    assert small({"text": NOTE}, None)["error"]["code"] == "answer_too_large"
    short = make_handler(Service(recognizer, RequestLimits(max_seconds=0.2)))
    assert short({"text": NOTE * 5000}, None)["statusCode"] == 504


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_NOTES", "many"), ("MAX_NOTES", "0"), ("MAX_SECONDS", "nan"), ("OPTIONS", "threshold,speed")],
)
def test_refuses_limits_that_make_no_sense(name: str, value: str) -> None:
    """A wrong setting stops the function in its init phase, with the variable's name."""
    with pytest.raises(InputError, match=f"CLINSPAN_{name}"):
        RequestLimits.read({f"CLINSPAN_{name}": value})


def test_threads_follow_lambda_memory() -> None:
    """Lambda shows more cores than a memory setting buys: one for each 1,769 MB begun."""
    assert threads({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}) == 1
    assert threads({"CLINSPAN_THREADS": "3", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}) == 3


def test_import_loads_no_model() -> None:
    """The module loads its model when `handler` or `http` is looked up, and not before."""
    import subprocess
    import sys

    program = "import sys, clinspan.serving; print('onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
