"""Scripts in processes of their own, and how many threads and megabytes a process holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clinspan.engine import workers
from tests.support import example_notes


def run(script: str, *arguments: object, timeout: float = 60, stdin: str = "") -> str:
    """Run a script of its own process to a good end and give what it printed; it may not say anything else.

    Python's own warning about forks with threads is left out: there is a promise to test behind it.
    """
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, input=stdin, cwd=example_notes.ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def start_interruptible(command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    """Start a process that ends by an interrupt as it does in a terminal; its streams are pipes of text.

    A suite that runs in the background inherits SIGINT as ignored, and so would every process that it starts.
    """
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def threads() -> list[str]:
    """Names of the threads that clinspan runs."""
    return workers.thread_names()


def wait_for_the_wide_session() -> None:
    """Wait until no model is loading in the background."""
    time.sleep(0.02)  # a thread takes a moment to begin
    while "clinspan-load" in threads():
        time.sleep(0.002)


def tasks() -> int:
    """Threads of this process, those of onnxruntime included."""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("this system does not list the threads of a process")
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - the names are not needed


def settled(limit: int, seconds: float = 10.0) -> bool:
    """Tell whether this process comes down to `limit` threads; a thread that ended takes a moment to go."""
    end = time.monotonic() + seconds
    while tasks() > limit and time.monotonic() < end:
        time.sleep(0.02)
    return tasks() <= limit


def resident() -> float:
    """Megabytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
