"""A Hub on this machine, as far as a download needs one: what a repository holds, and its files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


@dataclass
class SmallHub:
    """Repositories by name, each its files by path; `asked` lists (method, path) of what was asked for."""

    repositories: dict[str, dict[str, bytes]]
    gated: set[str] = field(default_factory=set)
    revisions: tuple[str, ...] = ("main", "v1", COMMIT)
    damaged: str = ""  # the path of a file that is sent with other bytes
    asked: list[tuple[str, str]] = field(default_factory=list)
    endpoint: str = ""

    def sent(self) -> set[str]:
        """Paths of the files that were sent."""
        return {
            path.partition("/resolve/")[2].partition("/")[2] for method, path in self.asked if method == "GET"
        } - {""}


@contextmanager
def serving(hub: SmallHub) -> Iterator[SmallHub]:
    """Serve a Hub on loopback while the block runs."""

    class Handler(_Handler):
        content = hub

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        hub.endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    content: SmallHub

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.content.asked.append((self.command, path))
        api = path.startswith("/api/models/")
        name, _, rest = path.removeprefix("/api/models/" if api else "/").partition(
            "/revision/" if api else "/resolve/"
        )
        revision, _, file = (rest, "", "") if api else rest.partition("/")
        files = self.content.repositories.get(name)
        if files is None:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif revision not in self.content.revisions:
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif api:
            self._send(200, self._described(name, files), {"Content-Type": "application/json"})
        elif name in self.content.gated:
            self._send(403, b"", {"X-Error-Code": "GatedRepo"})
        elif file not in files:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        else:
            data = files[file][::-1] if file == self.content.damaged else files[file]
            self._send(200, data, {"ETag": f'"{_sha256(files[file])}"', "X-Repo-Commit": COMMIT})

    @staticmethod
    def _described(name: str, files: dict[str, bytes]) -> bytes:
        """Siblings as the Hub has them; only large files have a sha256 there."""
        siblings = [
            {"rfilename": path, "size": len(data), "blobId": "b" * 40}
            | (
                {"lfs": {"sha256": _sha256(data), "size": len(data), "pointerSize": 100}}
                if ".onnx" in path
                else {}
            )
            for path, data in files.items()
        ]
        return json.dumps({"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings}).encode()

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
