"""Drive headless Chromium through its debugging protocol, with a WebSocket of a few lines."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Tab:
    """One page: runs scripts in it, takes its picture."""

    def __init__(self, address: str) -> None:
        host, port, path = re.fullmatch(r"ws://([^:/]+):(\d+)(/.*)", address).groups()  # type: ignore[union-attr]
        self._socket = socket.create_connection((host, int(port)), timeout=60)
        self._stream = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._socket.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        while self._stream.readline().strip():
            pass
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send a command and wait for its answer; events on the way are kept."""
        self._number += 1
        data = json.dumps({"id": self._number, "method": method, "params": parameters}).encode()
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
        self._socket.sendall(struct.pack("!BBQ", 0x81, 0xFF, len(data)) + mask + masked)
        while True:
            message = json.loads(self._frame())
            if message.get("id") == self._number:
                return message["result"]
            self.events.append(message)

    def _frame(self) -> bytes:
        data = b""
        while True:
            first, second = self._stream.read(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(self._stream.read(2 if size == 126 else 8), "big")
            data += self._stream.read(size)
            if first & 0x80:
                return data

    def run(self, script: str) -> Any:
        """Run a script, waiting for a promise, and give its value."""
        answer = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def close(self) -> None:
        """End the connection."""
        self._stream.close()
        self._socket.close()


@contextmanager
def tab(folder: Path, url: str) -> Iterator[Tab]:
    """Open a page in a browser of its own, whose profile is in a folder."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-dev-shm-usage",
    ]
    command += [f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as browser:
        try:
            assert browser.stderr is not None
            lines = (re.search(r"ws://[^/]+:(\d+)/", line) for line in browser.stderr)
            port = next(found[1] for found in lines if found)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                pages = [page for page in json.load(answer) if page["type"] == "page"]
            page = Tab(pages[0]["webSocketDebuggerUrl"])
            try:
                page.ask("Log.enable")
                page.ask("Page.enable")
                page.ask("Page.navigate", url=url)
                page.run(
                    "new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', done))"
                )
                yield page
            finally:
                page.close()
        finally:
            browser.terminate()
