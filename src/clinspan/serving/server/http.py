"""The routes over HTTP with the standard library: a thread per connection, limits on size and time, a graceful stop."""

from __future__ import annotations

import io
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from clinspan.serving.request import RequestError
from clinspan.serving.server.head import HeadError, TimedReader, has_one_length, read_head
from clinspan.serving.server.routes import HttpReply, HttpRequest, Routes
from clinspan.serving.service import failure

# Seconds that a connection may be idle, or leave a request unfinished.
_IDLE = 60.0
# Part of a body that is read at once.
_CHUNK = 65_536


class Server(ThreadingHTTPServer):
    """Serves routes until `stop`.

    Connections beyond `connections` are turned away with 503, so that a flood cannot start threads without end.
    """

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(
        self, routes: Routes, host: str, port: int, *, seconds: float = 60.0, connections: int = 256
    ) -> None:
        """Listen; `seconds` is the longest that a request may take, its body included.

        Raises:
            OSError: the address cannot be used.
        """
        self.routes = routes
        self.seconds = seconds
        self._places = threading.Semaphore(connections)
        self._idle: set[socket.socket] = set()
        self._lock = threading.Lock()
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking for the machine's name, which may go over the network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, or turn it away."""
        if self._places.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except BaseException:
                self._places.release()
                raise
            return
        busy = failure(503, "busy", "too many connections: try again later", "").text.encode()
        head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {len(busy)}"
        with suppress(OSError):
            request.settimeout(1.0)
            request.sendall(head.encode() + b"\r\nretry-after: 1\r\n\r\n" + busy)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hung up is not an error, and what it sent may be a note."""

    def idle(self, connection: socket.socket, *, now: bool) -> bool:
        """Note that a connection waits for its next request, or no longer does; False if it is to end."""
        with self._lock:
            if now and self.routes.ready:
                self._idle.add(connection)
            else:
                self._idle.discard(connection)
            return self.routes.ready

    def stop(self, *, seconds: float = 30.0) -> bool:
        """Take no more requests, and wait for those under way; says whether all were answered in time."""
        with self._lock:
            self.routes.ready = False
            waiting = list(self._idle)
        for connection in waiting:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        self.shutdown()
        self.socket.close()
        end = time.monotonic() + seconds
        while self.routes.metrics.requests_under_way() and time.monotonic() < end:
            time.sleep(0.01)
        return not self.routes.metrics.requests_under_way()


class _Handler(BaseHTTPRequestHandler):
    """Reads one connection's requests."""

    protocol_version = "HTTP/1.1"
    server_version = "clinspan"
    sys_version = ""
    timeout = _IDLE
    server: Server

    def setup(self) -> None:
        """Read through a reader that knows when the request must be there."""
        super().setup()
        self.rfile.close()
        self._reader = TimedReader(self.connection)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        """Wait for a request and answer it, unless the server stops."""
        self.close_connection, self.command, self.requestline = True, "", ""
        if not self.server.idle(self.connection, now=True):
            return
        try:
            if self._read_head():
                self._answer()
                self.wfile.flush()
        except HeadError as error:
            self.send_error(error.status)
        except TimeoutError:
            self.close_connection = True
        finally:
            self.server.idle(self.connection, now=False)

    def _read_head(self) -> bool:
        """Read a request's head; False where nothing came, or an error was sent."""
        self._reader.ends = time.monotonic() + _IDLE
        head = read_head(self.rfile)
        self.server.idle(self.connection, now=False)
        if head is None:
            return False
        self.raw_requestline = head.first
        stream, self.rfile = self.rfile, io.BytesIO(head.headers)
        try:
            parsed = self.parse_request()
        finally:
            self.rfile = stream
        if parsed and not has_one_length(self.headers.keys()):
            raise HeadError(400)
        if parsed and not hasattr(self, f"do_{self.command}"):
            raise HeadError(501)
        return parsed

    def handle_expect_100(self) -> bool:
        """Wait with it until the body is wanted."""
        return True

    def _answer(self) -> None:
        self._read_whole = False
        began = time.monotonic()
        path = self.path.partition("?")[0]
        reply = self.server.routes.reply(
            HttpRequest(self.command, path, lambda: self._body(began), seconds=self.server.seconds)
        )
        self._send(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _answer  # noqa: N815

    def _body(self, began: float) -> bytes:
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise RequestError(411, "length_required", "expected a header content-length")
        limit = self.server.routes.service.limits.max_bytes
        if int(length) > limit:
            self.close_connection = True
            raise RequestError(
                413, "too_large", f"the body has {length} bytes, and at most {limit} are allowed"
            )
        if self.headers.get("expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        return self._read(int(length), began + self.server.seconds)

    def _read(self, length: int, end: float) -> bytes:
        """Read the body, and give up on a client that sends it too slowly."""
        parts: list[bytes] = []
        self._reader.ends = end
        while length:
            part = b""
            with suppress(TimeoutError):
                part = self.rfile.read1(min(length, _CHUNK))
            if not part:
                self.close_connection = True
                raise RequestError(408, "timeout", "the body did not come in whole, or not in time")
            parts.append(part)
            length -= len(part)
        self._read_whole = True
        return b"".join(parts)

    def _send(self, reply: HttpReply) -> None:
        self.connection.settimeout(self.timeout)  # for all that is sent together
        if not self.server.routes.ready:
            self.close_connection = True
        # A body that nobody read would be taken for the next request.
        if not self.close_connection and not self._body_is_read():
            self.close_connection = True
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _body_is_read(self) -> bool:
        """Say whether the request had no body, or its route read it."""
        if self.headers.get("transfer-encoding"):
            return False
        return self._read_whole or self.headers.get("content-length", "0") == "0"

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is not HTTP, without repeating it."""
        self.close_connection = True
        refused = failure(int(code), "bad_request", "not an HTTP request that can be read", "")
        self.command = getattr(self, "command", None) or "GET"
        self.request_version = "HTTP/1.1"
        self._send(HttpReply(refused.status, refused.headers, refused.text.encode()))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the service logs each request."""
