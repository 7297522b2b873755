"""An emulator of AWS Lambda's Runtime API on loopback.

Protocol: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. A runtime asks for the next event,
which blocks until there is one, and posts a response or an error for it; a runtime that cannot start posts
an initialization error.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PREFIX = "/2018-06-01/runtime"


@dataclass(slots=True)
class Outcome:
    """A post of a runtime: `response`, `error` or `init_error`, its body, and when (monotonic seconds)."""

    kind: str
    body: bytes
    at: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class RuntimeApi:
    """The control side: hand out events, wait for what comes back."""

    address: str
    events: queue.Queue[tuple[str, bytes, float] | None] = field(default_factory=queue.Queue)
    outcomes: dict[str, queue.Queue[Outcome]] = field(default_factory=dict)
    init: queue.Queue[Outcome] = field(default_factory=queue.Queue)
    unexpected: list[str] = field(default_factory=list)

    def invoke(self, event: object, *, seconds: float = 30.0, wait: float = 120.0) -> Outcome:
        """Hand out one event with this much time for it; wait for its response or error."""
        name = str(uuid.uuid4())
        self.outcomes[name] = queue.Queue()
        self.events.put((name, json.dumps(event).encode(), seconds))
        try:
            return self.outcomes[name].get(timeout=wait)
        except queue.Empty:
            raise TimeoutError(f"no answer in {wait} s") from None


@contextmanager
def serve() -> Iterator[RuntimeApi]:
    """Run the emulator on a free port of loopback."""
    server = _Server(("127.0.0.1", 0), _Handler)
    api = RuntimeApi(f"127.0.0.1:{server.server_address[1]}")
    server.api = api  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.events.put(None)
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a runtime that is ended hangs up
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def api(self) -> RuntimeApi:
        return self.server.api  # type: ignore[attr-defined,no-any-return]

    def do_GET(self) -> None:
        if self.path != f"{PREFIX}/invocation/next":
            return self._refuse()
        event = self.api.events.get()
        if event is None:
            self.close_connection = True
            return None
        name, body, seconds = event
        headers = {
            "Lambda-Runtime-Aws-Request-Id": name,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:000000000000:function:notes",
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            "Content-Type": "application/json",
        }
        return self._send(200, body, headers)

    def do_POST(self) -> None:
        body = self._body()
        outcome_at = time.monotonic()
        if self.path == f"{PREFIX}/init/error":
            self.api.init.put(Outcome("init_error", body, outcome_at))
            return self._send(202, b'{"status":"OK"}', {})
        parts = self.path.removeprefix(f"{PREFIX}/invocation/").split("/")
        if len(parts) != 2 or parts[1] not in ("response", "error") or parts[0] not in self.api.outcomes:
            return self._refuse()
        self.api.outcomes[parts[0]].put(Outcome(parts[1], body, outcome_at))
        return self._send(202, b'{"status":"OK"}', {})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self) -> None:
        self.api.unexpected.append(f"{self.command} {self.path}")
        self._send(404, b"{}", {})

    def log_message(self, format: str, *args: object) -> None:
        pass
