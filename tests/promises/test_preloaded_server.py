"""A server that loads a recognizer once and forks its workers: gunicorn with `--preload`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

APPLICATION = """
import json, sys
from clinspan import Recognizer

NOTE = "She has pneumonia and was given ceftriaxone."
recognizer = Recognizer.load(threads=2)
for _ in range(4):
    expected = recognizer.recognize(NOTE)

def application(environ, start_response):
    right = all(recognizer.recognize(NOTE) == expected for _ in range(4))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"right": right, "preloaded": "gunicorn.arbiter" in sys.modules}).encode()]
"""


def test_gunicorn_workers_share_a_preloaded_recognizer(tmp_path: Path) -> None:
    """Loaded and used before the workers are forked; they answer, and end when they are told to."""
    pytest.importorskip("gunicorn")
    (tmp_path / "app.py").write_text(APPLICATION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "gunicorn",
        "--preload",
        "-w",
        "2",
        "--graceful-timeout",
        "20",
    ]
    server = subprocess.Popen(
        [*command, "-b", f"127.0.0.1:{port}", "app:application"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(6):
            assert ask(port)["right"]
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=30)
        assert server.returncode == 0, log
        assert time.monotonic() - began < 15, "a worker that does not end is killed after 20 seconds"
        assert "Traceback" not in log
    finally:
        server.kill()
        server.wait()


def ask(port: int) -> dict[str, bool]:
    """One request, once the server is up."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                return dict(json.load(answer))
        except ConnectionError:
            time.sleep(0.1)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError):
                raise
            time.sleep(0.1)
    raise AssertionError("gunicorn does not answer")
