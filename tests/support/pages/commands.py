"""The commands of a page's shell blocks: how a block is split into them, and how one is run or only read."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main as benchmarks
from clinspan.cli.main import main as clinspan
from clinspan_export.cli.main import main as clinspan_export
from tests.support.example_notes import ROOT

Words = list[str]
OWN = {"clinspan": clinspan, "clinspan-export": clinspan_export}
SERVERS = ("uvicorn", "gunicorn", "clinspan serve")


def commands(code: str) -> list[Words]:
    """Split a block into its commands, each a list of words; comments and `&&` are left out."""
    found: list[Words] = []
    pending = ""
    for line in code.replace("\\\n", " ").splitlines():
        pending += line + "\n"
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quotation goes on in the next line
            continue
        pending = ""
        while "&&" in words:
            cut = words.index("&&")
            found.append(words[:cut])
            words = words[cut + 1 :]
        if words:
            found.append(words)
    assert not pending, f"the block ends within a quotation: {pending}"
    return found


def begins(words: Words, names: Sequence[str]) -> str | None:
    """The first of these beginnings, such as `pip` or `clinspan bench`, that a command has."""
    line = " ".join(words)
    return next(
        (name for name in names if line == name or line.startswith(name if name[-1] in "/:" else f"{name} ")),
        None,
    )


def run(words: Words, folder: Path) -> tuple[int, str]:
    """Run a command in a folder, clinspan's own in this process; returns its exit code and what it printed."""
    if words[0] in OWN:
        out = io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(out):
            return OWN[words[0]](words[1:]), out.getvalue()
    done = subprocess.run(
        _found(words), cwd=folder, env=_environment(), capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


@contextlib.contextmanager
def served(words: Words, folder: Path) -> Iterator[None]:
    """Run a server while the block runs; it must answer, and stop when told to."""
    port = next(int(part) for part in re.split(r"[ :]", " ".join(words)) if part.isdigit() and len(part) > 3)
    process = subprocess.Popen(
        _found(words), cwd=folder, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        assert process.poll() is None, f"{words[0]} ended with {process.returncode}"
        yield
    finally:
        process.terminate()
        process.wait(60)
    assert process.returncode in (0, -15)  # uvicorn raises the signal again once it has stopped


def on_free_ports(code: str) -> str:
    """Put free ports in place of those that a page names, and of a server's default."""
    code = re.sub(r"(clinspan serve(?!.*--port).*)", r"\1 --port 8080", code)
    for port in sorted(set(re.findall(r"\b80[08]0\b", code))):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            code = re.sub(rf"\b{port}\b", str(probe.getsockname()[1]), code)
    return code


def read(words: Words) -> None:
    """Check a command that is not run: its parser takes it, or the tool's own help has its options."""
    if words[:2] == ["python", "-m"]:
        _read_module(words[2], words[3:])
    elif words[0] in OWN:
        _parsed(OWN[words[0]], words[1:])
    elif words[0].startswith("scripts/"):
        assert os.access(ROOT / words[0], os.X_OK), words[0]
    elif words[0] != "cd":
        _in_help(words)


def _read_module(module: str, rest: Words) -> None:
    if module == "benchmarks":
        if rest[0] in ("tables", "plots", "targets"):
            assert rest[1:] in ([], ["--write"])
            return
        _parsed(benchmarks, rest)
    else:
        folder = ROOT if module == "fuzz" else ROOT / "export"
        path = folder.joinpath(*module.split("."))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [module, *rest])
            method = "parse_known_args" if module == "fuzz" else "parse_args"
            _parsed(lambda _: runpy.run_path(str(path / "__main__.py"), run_name="__main__"), rest, method)


class _ParsedError(Exception):
    """A command line was read to its end."""


def _parsed(main: Any, words: Words, method: str = "parse_args") -> None:
    real = getattr(argparse.ArgumentParser, method)

    def stop(parser: argparse.ArgumentParser, *given: Any, **named: Any) -> None:
        patch.undo()
        real(parser, *given, **named)
        raise _ParsedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, method, stop)
        with pytest.raises(_ParsedError):
            main(words)


def _in_help(words: Words) -> None:
    """Where a tool is installed, its help names the command's options."""
    tool = [sys.executable, "-m", "pip"] if words[0] == "pip" else [words[0]]
    flags = {word.partition("=")[0] for word in words[1:] if re.match(r"-{1,2}[a-z]", word)}
    if not flags or shutil.which(tool[0]) is None or words[0] == "aws":  # whose help is a manual page
        return
    level = [] if words[1].startswith("-") else [words[1]]
    done = subprocess.run([*tool, *level, "--help"], capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert not [flag for flag in flags if not re.search(rf"(?<![\w-]){flag}(?![\w-])", said)], words


def _found(words: Words) -> Words:
    """A command with this Python in place of `python` and of the commands that it brings."""
    if words[0] in ("python", "clinspan"):
        return [sys.executable, *(["-m", "clinspan"] if words[0] == "clinspan" else []), *words[1:]]
    beside = Path(sys.executable).with_name(words[0])
    where = shutil.which(words[0]) if words[0] in ("curl", "openssl") else str(beside)
    if where is None or not Path(where).exists():
        pytest.skip(f"{words[0]} is not installed")
    return [where, *words[1:]]


def _environment() -> dict[str, str]:
    paths = [str(ROOT / "src"), str(ROOT / "export"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
