"""`clinspan serve`: every route over a real socket, limits, and a stop that loses nothing."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from clinspan import Recognizer
from clinspan.serving import RequestLimits, Service
from clinspan.serving.server.asgi import make_asgi
from clinspan.serving.server.http import Server
from clinspan.serving.server.openapi import document
from clinspan.serving.server.routes import Routes

NOTE = "She has pneumonia. Takes aspirin 81 mg daily. Denies fever."
SECRET = "Zebrafinch"


@pytest.fixture(scope="module")
def service(starter: Recognizer) -> Service:
    return Service(starter, RequestLimits(max_bytes=20_000))


@pytest.fixture
def server(service: Service) -> Iterator[Server]:
    with serving(service) as running:
        yield running


@contextmanager
def serving(service: Service, **options: Any) -> Iterator[Server]:
    """A server on a free port while the block runs."""
    server = Server(Routes(service), "127.0.0.1", 0, **options)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.stop(seconds=5)


def ask(
    server: Server, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, data, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    given = {name.lower(): value for name, value in response.getheaders()}
    return (
        response.status,
        json.loads(content) if "json" in given["content-type"] else content.decode(),
        given,
    )


def places(starter: Recognizer, note: str) -> list[tuple[str, int, int]]:
    return [(span.label, span.start, span.end) for span in starter.recognize(note)]


def test_recognize_answers_as_the_recognizer_does(server: Server, starter: Recognizer) -> None:
    """One note or many."""
    status, body, _ = ask(server, "POST", "/recognize", {"text": NOTE})
    assert status == 200
    assert [(span["label"], span["start"], span["end"]) for span in body["spans"]] == places(starter, NOTE)
    _, body, _ = ask(
        server, "POST", "/recognize", {"notes": [{"id": "a", "text": NOTE}, {"id": "b", "text": "Well."}]}
    )
    assert [(note["id"], len(note["spans"])) for note in body["notes"]] == [
        ("a", len(places(starter, NOTE))),
        ("b", 0),
    ]


def test_hugging_face_clients_post_inputs_to_the_root(server: Server) -> None:
    """A text gives a list of entities, a list of texts a list of lists."""
    _, one, _ = ask(server, "POST", "/", {"inputs": NOTE, "parameters": {"aggregation_strategy": "first"}})
    assert list(one[0]) == ["entity_group", "score", "word", "start", "end"]
    assert NOTE[one[0]["start"] : one[0]["end"]] == one[0]["word"] == "pneumonia"
    _, many, _ = ask(server, "POST", "/", {"inputs": [NOTE, "Well."]})
    assert [len(found) for found in many] == [len(one), 0]
    assert ask(server, "POST", "/", {"inputs": 3})[0] == 400


def test_kserve_clients_get_a_tensor_of_spans(server: Server, service: Service) -> None:
    """Version 2 of the protocol: metadata, readiness, inference with the request's id."""
    model = f"/v2/models/{service.model['name']}"
    assert ask(server, "GET", model)[1]["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert ask(server, "GET", f"{model}/ready")[0] == 200
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": [NOTE, "Well."]}
    status, body, _ = ask(server, "POST", f"{model}/versions/1/infer", {"id": "7", "inputs": [tensor]})
    assert (status, body["id"], body["outputs"][0]["shape"]) == (200, "7", [2])
    assert json.loads(body["outputs"][0]["data"][0])[0]["text"] == "pneumonia"
    assert ask(server, "POST", f"{model}/infer", {"inputs": []})[0] == 400
    assert ask(server, "GET", "/v2/models/other")[0] == 404


def test_the_page_shows_assertion_and_regimens(server: Server) -> None:
    """The page itself loads nothing; the note it posts comes back as HTML."""
    status, page, headers = ask(server, "GET", "/")
    assert (status, "<textarea" in page) == (200, True)
    assert "default-src 'none'" in headers["content-security-policy"]
    assert not re.search(r"""(src|href)\s*=""", page)
    _, body, _ = ask(server, "POST", "/html", {"text": NOTE + " <img src=x onerror=alert(1)>"})
    assert "denied" in body["html"]
    assert "<img" not in body["html"]
    assert "<td>aspirin</td>" in body["html"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", None, 404),
        ("PUT", "/recognize", b"x", 405),
        ("GET", "/html", None, 405),
        ("POST", "/recognize", SECRET.encode(), 400),
        ("POST", "/recognize", {"text": [SECRET]}, 400),
        ("POST", "/html", {"note": SECRET}, 400),
        ("POST", "/recognize", {"text": SECRET * 5_000}, 413),
    ],
)
def test_a_wrong_request_is_refused_without_repeating_it(
    method: str, path: str, body: object, status: int, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """In JSON; a 405 lists what is allowed."""
    found, said, headers = ask(server, method, path, body)
    assert found == status
    assert SECRET not in json.dumps(said) + capsys.readouterr().out
    assert ("allow" in headers) == (status == 405)


def test_a_body_needs_its_length_and_comes_in_time(service: Service) -> None:
    """A chunked body, a slow one and one that is cut off end in an answer, and no thread waits for them."""
    with serving(service, seconds=0.3) as server:
        for head, status in (
            (b"transfer-encoding: chunked\r\n", b"411"),
            (b"content-length: 50\r\n", b"408"),
            (b"content-length: 999999\r\n", b"413"),
        ):
            with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
                connection.sendall(b"POST /recognize HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n{")
                answer = connection.makefile("rb").read()
            assert answer.split(b" ")[1] == status, answer


def test_what_is_not_http_is_answered_without_repeating_it(server: Server) -> None:
    """The standard library's page would quote it."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(SECRET.encode() + b" a b c\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert b"400" in answer
    assert SECRET.encode() not in answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(b"content-length: 2\r\ncontent-length: 40\r\n", b"400", id="two-lengths"),
        pytest.param(b"content-length: 2\r\ntransfer-encoding: chunked\r\n", b"400", id="length-and-chunks"),
        pytest.param(b"x: a\rcontent-length: 40\r\n", b"400", id="bare-carriage-return"),
        pytest.param(b"content-length : 40\r\n", b"400", id="blank-before-colon"),
        pytest.param(b"x: a\r\n content-length: 40\r\n", b"400", id="folded"),
        pytest.param(b"x: \0\r\n", b"400", id="nul"),
        pytest.param(b"x: " + b"a" * 70_000 + b"\r\n", b"431", id="one-large-header"),
        pytest.param(b"".join(b"x%d: y\r\n" % n for n in range(9000)), b"431", id="many-headers"),
    ],
)  # fmt: skip
def test_a_head_that_servers_read_differently_is_refused(head: bytes, status: bytes, server: Server) -> None:
    """A request cannot hide in another's body: one answer, and the connection ends. Nor can a head fill the memory."""
    hidden = b"{}GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n"
    for method in (b"POST", b"GET"):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
            with suppress(ConnectionError):
                connection.sendall(method + b" /recognize HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n" + hidden)
            answer = b""
            with suppress(ConnectionError):
                while part := connection.recv(65_536):
                    answer += part
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.split(b" ")[1] == status, answer


def test_a_head_that_comes_in_drops_ends(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte in time is not enough: 256 such clients would hold every place for hours."""
    monkeypatch.setattr("clinspan.serving.server.http._IDLE", 0.5)
    with serving(service, connections=1) as server:
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
            end = time.monotonic() + 10
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
            with suppress(ConnectionError):
                while time.monotonic() < end:
                    connection.sendall(b"x: y\r\n")
                    time.sleep(0.1)
            assert time.monotonic() < end
        while ask(server, "GET", "/healthz")[0] != 200:
            assert time.monotonic() < end


def test_requests_sent_together_are_answered_in_turn(server: Server, starter: Recognizer) -> None:
    """Before the answer to the first is read."""
    body = json.dumps({"text": NOTE}).encode()
    one = b"POST /recognize HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    last = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(one * 3 + b"\r\n" + last)
        answer = connection.makefile("rb").read()
    assert answer.count(b"HTTP/1.1 200 ") == 4
    assert answer.count(b'"start"') == 3 * len(places(starter, NOTE))


def test_connections_beyond_the_limit_are_turned_away(service: Service) -> None:
    """With 503, at once; a place that is free again is given."""
    with serving(service, connections=1) as server:
        held = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        held.request("GET", "/healthz")
        assert held.getresponse().read()
        assert ask(server, "GET", "/healthz")[0] == 503
        held.close()
        end = time.monotonic() + 10
        while ask(server, "GET", "/healthz")[0] != 200:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_connection_is_used_again(server: Server) -> None:
    """As clients with a pool do; errors in between do not end it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    for body, status in ((b'{"text": "Fever."}', 200), (b"no", 400), (b'{"text": "Cough."}', 200)):
        connection.request("POST", "/recognize", body)
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (status, True)
    connection.close()


def test_metrics_are_prometheus_text_without_notes(server: Server) -> None:
    """Counts of requests by route and status, a histogram, sizes."""
    _, body, _ = ask(server, "POST", "/recognize", {"text": f"{SECRET} has pneumonia."})
    ask(server, "POST", "/recognize", b"no")
    status, text, headers = ask(server, "GET", "/metrics")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
    assert 'clinspan_requests_total{route="/recognize",status="200"} 1' in text
    assert 'clinspan_requests_total{route="/recognize",status="400"} 1' in text
    assert 'clinspan_request_seconds_count{route="/recognize"} 2' in text
    assert f"clinspan_spans_total {len(body['spans'])}\n" in text
    assert SECRET not in text
    line = re.compile(r'(# (HELP|TYPE) .*|\w+(\{(\w+="[^"]*",?)+\})? [\d.]+)')
    assert all(line.fullmatch(one) for one in text.splitlines())


def test_prometheus_own_parser_reads_the_metrics(server: Server) -> None:
    """Its client library's parser of the text format."""
    parser = pytest.importorskip("prometheus_client.parser")
    families = list(parser.text_string_to_metric_families(ask(server, "GET", "/metrics")[1]))
    assert {"clinspan_requests", "clinspan_request_seconds"} <= {family.name for family in families}


def test_the_openapi_document_is_valid_and_names_every_route(server: Server) -> None:
    """A path answers the methods that it lists, and no other."""
    assert ask(server, "GET", "/openapi.json")[1] == document()
    for path, operations in document()["paths"].items():
        real = path.replace("{model}", server.routes.service.model["name"])
        for method in ("get", "post"):
            status = ask(server, method.upper(), real, None if method == "get" else b"{}")[0]
            assert (status in (404, 405)) == (method not in operations), (method, path)
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(document())


def test_many_clients_get_their_own_answers(server: Server, starter: Recognizer) -> None:
    """Nothing lost, nothing mixed."""
    notes = [f"{'x' * (number % 7)} Takes aspirin {number} mg." for number in range(200)]
    expected = [[span.text for span in starter.recognize(note)] for note in notes]

    def one(note: str) -> list[str]:
        return [span["text"] for span in ask(server, "POST", "/recognize", {"text": note})[1]["spans"]]

    with ThreadPoolExecutor(16) as clients:
        assert list(clients.map(one, notes)) == expected


def test_sigterm_answers_what_is_under_way_and_ends_with_zero() -> None:
    """New connections are refused meanwhile, and idle ones do not hold it up."""
    command = [sys.executable, "-m", "clinspan", "serve", "--port", "0"]
    environment = {**os.environ, "CLINSPAN_LOG_LEVEL": "ERROR", "CLINSPAN_MAX_CHARACTERS": "5000000"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        stop_under_way(process, int(process.stderr.readline().rpartition(":")[2]))


def stop_under_way(process: subprocess.Popen[str], port: int) -> None:
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    idle.request("GET", "/readyz")
    assert idle.getresponse().read() == b'{"status": "ready"}'
    busy = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    busy.request("POST", "/recognize", json.dumps({"text": NOTE * 3_000}))
    time.sleep(0.5)  # it is being read now
    process.send_signal(signal.SIGTERM)
    response = busy.getresponse()
    assert response.status == 200
    assert len(json.loads(response.read())["spans"]) >= 3_000
    assert process.wait(timeout=30) == 0
    idle.close()
    busy.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_an_address_that_is_taken_is_one_line(server: Server) -> None:
    """Wrong usage, exit code 2."""
    command = [sys.executable, "-m", "clinspan", "serve", "--port", str(server.server_port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("clinspan: cannot listen on 127.0.0.1")
    assert done.stderr.count("\n") == 1


def exchange(application: Any, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """One request to an ASGI application."""
    sent: list[dict[str, Any]] = []
    parts = [body[:10], body[10:]]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(application({"type": "http", "method": method, "path": path}, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_the_asgi_application_has_the_same_routes(service: Service, starter: Recognizer) -> None:
    """For uvicorn and the like; limits hold there too."""
    application = make_asgi(service)
    status, body = exchange(application, "POST", "/recognize", json.dumps({"text": NOTE}).encode())
    assert status == 200
    assert [(s["label"], s["start"], s["end"]) for s in json.loads(body)["spans"]] == places(starter, NOTE)
    assert exchange(application, "POST", "/recognize", b"x" * 30_000)[0] == 413
    assert exchange(application, "HEAD", "/healthz") == (200, b"")


def test_uvicorn_runs_the_asgi_application(service: Service) -> None:
    """Start, answer, stop."""
    uvicorn = pytest.importorskip("uvicorn")
    running = uvicorn.Server(uvicorn.Config(make_asgi(service), port=0, log_level="critical"))
    thread = threading.Thread(target=running.run)
    thread.start()
    end = time.monotonic() + 20
    while not running.started and time.monotonic() < end:
        time.sleep(0.02)
    port = running.servers[0].sockets[0].getsockname()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/recognize", json.dumps({"text": NOTE}))
    assert json.loads(connection.getresponse().read())["spans"]
    connection.close()
    running.should_exit = True
    thread.join(timeout=20)
    assert not thread.is_alive()
