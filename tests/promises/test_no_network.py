"""No call and no command opens a connection: not Python, not a child process, not a native library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.packages.small_wheels import stand_in_bundle, stand_in_wheels
from tests.support.tiny import text_bundles

from clinspan import Recognizer
from clinspan.cli.main import _parser

# In every Python process below the test's: refuses what leads out of the machine, and keeps a list of it where an
# error would be swallowed. A socket alone leads nowhere: asyncio makes two to wake itself up, and pip one, bound to
# this machine, to learn whether there is IPv6.
_GUARD = """
import os, sys

def guard(event, arguments):
    if not event.startswith("socket.") or event in ("socket.__new__", "socket.gethostname"):
        return
    if event == "socket.bind" and arguments[1][0] in ("::1", "127.0.0.1"):
        return
    with open(os.environ["NETWORK_LOG"], "a") as log:
        print(event, arguments[1:], file=log)
    raise OSError(f"no network here: {event}")

sys.addaudithook(guard)
"""

_CALLS = """
import asyncio, pickle, sys
from clinspan import Recognizer

note = "She has pneumonia and takes aspirin 81 mg.\\n\\n" * 40
with Recognizer.load(threads=2) as recognizer:
    spans = recognizer.recognize(note)
    assert spans
    assert list(recognizer.pipe([note, ""], timeout=60)) == [spans, []]
    assert asyncio.run(recognizer.arecognize(note)) == spans
    assert len(recognizer.token_logits(note))
    assert recognizer.report().provider == "CPUExecutionProvider"
    other = pickle.loads(pickle.dumps(recognizer))
    assert other.recognize(note) == spans
    other.close()
import clinspan.serving
assert clinspan.serving.handler({"text": note}, None)["statusCode"] == 200
"""


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, list[str]]:
    """A run of every command."""
    note, gold = tmp_path / "note.txt", tmp_path / "gold.conll"
    note.write_text("She has pneumonia and takes aspirin 81 mg.\n")
    gold.write_text("She O\nhas O\npneumonia B-PROBLEM\n")
    wheels = stand_in_wheels(tmp_path / "wheels", arch="arm64")
    bundle = stand_in_bundle(tmp_path / "stand-in", "int8")
    return {
        "extract": ["extract", str(note), "--output", str(tmp_path / "out.txt")],
        "classify": ["classify", str(note), "--model", str(text_bundles.classifier(tmp_path / "classifier"))],
        "embed": [
            "embed", str(note), "--model", str(text_bundles.embedder(tmp_path / "embedder")), "-o", str(tmp_path / "v.npy"),
        ],
        "info": ["info"],
        "evaluate": ["evaluate", "--gold", str(gold), "--html", str(tmp_path / "page.html")],
        "bench": ["bench", "--notes", str(note), "--seconds", "0.1", "--save", str(tmp_path / "profile.json")],
        # With a folder of wheels; without one it asks pip's index, which is what it is for.
        "package": [
            "package", "lambda", "--out", str(tmp_path / "function.zip"), "--arch", "arm64", "--python", "3.12",
            "--wheels", str(wheels), "--model", str(bundle),
        ],
    }  # fmt: skip


def guarded(tmp_path: Path, *arguments: str, trace: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Python with the guard in it and in its children, and perhaps under strace."""
    (tmp_path / "guard").mkdir(exist_ok=True)
    (tmp_path / "guard" / "sitecustomize.py").write_text(_GUARD)
    path = os.pathsep.join([str(tmp_path / "guard"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "NETWORK_LOG": str(tmp_path / "network.log")}
    strace = [] if trace is None else ["strace", "-f", "-qq", "-e", "trace=network", "-o", str(trace)]
    return subprocess.run(
        [*strace, sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_the_guard_stops_a_connection(tmp_path: Path) -> None:
    """In a child process too, and where the error is swallowed."""
    code = "import socket\ntry: socket.create_connection(('127.0.0.1', 9))\nexcept OSError: pass"
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {code!r}], check=True)"
    assert guarded(tmp_path, "-c", child).returncode == 0
    assert "socket.getaddrinfo" in (tmp_path / "network.log").read_text()


@pytest.mark.parametrize("command", ["extract", "classify", "embed", "info", "evaluate", "bench", "package"])
def test_no_command_opens_a_connection(tmp_path: Path, commands: dict[str, list[str]], command: str) -> None:
    """Each does its work where every connection is refused, and tries none."""
    done = guarded(tmp_path, "-m", "clinspan", *commands[command])
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "network.log").exists()


def test_no_call_opens_a_connection(tmp_path: Path) -> None:
    """Load, recognize, pipe, await, pickle, close, and a function's handler."""
    done = guarded(tmp_path, "-c", _CALLS)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "network.log").exists()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_native_library_opens_a_connection(tmp_path: Path) -> None:
    """The kernel is asked for no socket that leads out of the machine, onnxruntime's own threads included."""
    trace = tmp_path / "trace"
    done = guarded(tmp_path, "-c", _CALLS, trace=trace)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("this container allows no tracing")
    assert done.returncode == 0, done.stderr
    calls = trace.read_text().splitlines()
    assert any("AF_UNIX" in line for line in calls), "the trace sees the sockets that asyncio makes"
    assert [line for line in calls if "AF_INET" in line or "connect(" in line] == []


def test_every_call_and_command_is_covered(commands: dict[str, list[str]]) -> None:
    """A new method of the recognizer or a new command has to be added above."""
    methods = [n for n in dir(Recognizer) if callable(getattr(Recognizer, n)) and not n.startswith("_")]
    assert [name for name in methods if f".{name}(" not in _CALLS and name != "close"] == []
    (choices,) = [action.choices for action in _parser()._actions if action.choices is not None]
    # `serve` answers connections, and `pull` makes them: that is what they are for.
    assert set(choices) - {"serve", "pull"} == set(commands)
