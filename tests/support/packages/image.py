"""A container image without a container: the Dockerfile's own steps on folders, and its start as its user."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.packages.small_wheels import read_only

_PLACES = re.compile(r"(?<![\w./-])/(app|wheels|requirements\.lock)\b")


@dataclass(frozen=True, slots=True)
class Image:
    """The outcome of a build: the folder that stands for `/`, the variables, and the command, options last."""

    root: Path
    environment: dict[str, str]
    command: list[str]


def build(context: Path, root: Path, prefix: Sequence[str] = ()) -> Image:
    """Run the COPY and RUN steps of a Dockerfile's first stage below a folder.

    Args:
        context: the folder with the Dockerfile.
        root: stands for `/`; it is made.
        prefix: what each RUN is run with, for example without a network.
    """
    root.mkdir()
    lines = (context / "Dockerfile").read_text().splitlines()
    first, last = [number for number, line in enumerate(lines) if line.startswith("FROM")]
    for line in lines[first:last]:
        word, _, rest = line.partition(" ")
        if word == "COPY":
            source, target = rest.split()
            _copy(context / source, root / target.lstrip("/"))
        elif word == "RUN":
            step = _PLACES.sub(lambda found: f"{root}{found[0]}", rest)
            step = re.sub(r"^python ", f"{sys.executable} ", step)
            subprocess.run([*prefix, "sh", "-c", step], check=True, capture_output=True)
    after = "\n".join(lines[last:])
    (variables,) = re.findall(r"^ENV (.*)$", after, re.MULTILINE)
    words = {
        word: json.loads(found) for word, found in re.findall(r"^(ENTRYPOINT|CMD) (.*)$", after, re.MULTILINE)
    }
    environment = dict(pair.split("=", 1) for pair in variables.split())
    return Image(root, environment, [*words["ENTRYPOINT"], *words["CMD"]])


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


@contextmanager
def started(image: Image, home: Path) -> Iterator[tuple[int, list[str]]]:
    """Start an image's server on a free port, with its folder read-only; gives the port and, at the end, what it said.

    Args:
        image: as `build` leaves it; it listens on a port that `--port` names.
        home: stands for `/tmp`.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {"/app": f"{image.root}/app", "/tmp": str(home)}
    words = [re.sub(r"(?<!\w)/(app|tmp)\b", lambda found: places[found[0]], word) for word in image.command]
    words = [re.sub(r"^--port=\d+$", f"--port={port}", word) for word in words]
    # Alone: without the packages of this Python.
    words = [word.replace("0.0.0.0", "127.0.0.1") for word in [sys.executable, "-S", *words[1:]]]
    variables = {
        name: re.sub(r"(?<!\w)/(app|tmp)\b", lambda found: places[found[0]], value)
        for name, value in image.environment.items()
    }
    process = subprocess.Popen(
        read_only(image.root, words),
        env={"PATH": os.environ["PATH"], **variables},
        cwd=image.root / "app",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    try:
        _wait(port, process)
        yield port, said
    finally:
        process.terminate()
        said += process.communicate(timeout=30)[0].splitlines()


def _wait(port: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10).close()
        except urllib.error.HTTPError:
            return  # it answers, if not for this path
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the image's server does not answer")
