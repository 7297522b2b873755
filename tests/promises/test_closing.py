"""Closing a recognizer, leaving it to the garbage collector, or leaving the interpreter: nothing stays."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import bundles, example_notes, processes

from clinspan import ClinspanError, ClosedError, Recognizer

LONG = example_notes.SENTENCE * 800


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return bundles.bundle(tmp_path / "bundle")


@pytest.mark.parametrize(
    "use",
    [
        lambda recognizer: recognizer.recognize("pain"),
        lambda recognizer: recognizer.pipe([]),
        lambda recognizer: recognizer.token_logits("pain"),
        lambda recognizer: asyncio.run(recognizer.arecognize("pain")),
        pickle.dumps,
        lambda recognizer: recognizer.__enter__(),
    ],
    ids=["recognize", "pipe", "token_logits", "arecognize", "pickle", "with"],
)
def test_a_closed_recognizer_says_so(folder: Path, use: Callable[[Recognizer], object]) -> None:
    """Whatever is asked of it, the error says what to do; it is a RuntimeError too, as of a closed pool."""
    with Recognizer.load(folder, threads=2) as recognizer:
        recognizer.recognize(LONG)
    with pytest.raises(ClosedError, match=r"was closed: load another with its class's load") as caught:
        use(recognizer)
    assert isinstance(caught.value, ClinspanError)
    assert isinstance(caught.value, RuntimeError)


def test_closing_again_is_no_error(folder: Path) -> None:
    """One after the other, and from several threads at once; what was in use can still be read."""
    recognizer = Recognizer.load(folder, threads=2)
    recognizer.recognize(LONG)
    closers = [threading.Thread(target=recognizer.close) for _ in range(4)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(30)
    recognizer.close()
    assert recognizer.report().provider == "CPUExecutionProvider"


def test_closing_ends_every_thread(folder: Path) -> None:
    """Workers, callers, the loading thread and onnxruntime's own, before `close` returns."""
    Recognizer.load(folder, threads=2).close()
    assert processes.settled(processes.tasks())
    before, clinspans = processes.tasks(), processes.threads()
    recognizer = Recognizer.load(folder, threads=2)
    recognizer.recognize(LONG)
    asyncio.run(recognizer.arecognize(LONG))
    for _ in range(4):
        recognizer.recognize("pain")
    processes.wait_for_the_wide_session()
    assert processes.tasks() > before + 3
    recognizer.close()
    assert processes.threads() == clinspans
    assert processes.settled(before)


def test_closing_while_the_wide_session_loads_leaves_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`close` waits for the load and drops what it brings."""
    recognizer = Recognizer.load(folder, threads=2)
    assert recognizer._runner.model._widen is not None
    inner, loading = recognizer._runner.model._widen, threading.Event()

    def slow() -> object:
        loading.set()
        time.sleep(0.2)
        return inner()

    monkeypatch.setattr(recognizer._runner.model, "_widen", slow)
    for _ in range(2):
        recognizer.recognize("pain")
    loading.wait(10)
    recognizer.close()
    assert "clinspan-load" not in processes.threads()
    assert recognizer._runner.model._wide is None


@pytest.mark.parametrize("threads", [1, 2], ids=["one-thread", "two-threads"])
def test_closing_under_calls_ends_them_with_the_error(folder: Path, threads: int) -> None:
    """Calls of all kinds in other threads: each returns whole answers until it raises ClosedError."""
    with Recognizer.load(folder, threads=1) as alone:
        expected = {note: alone.recognize(note) for note in ("pain", LONG)}
        rows = len(alone.token_logits("pain"))
    recognizer = Recognizer.load(folder, threads=threads)
    ends: list[BaseException] = []

    def use(call: Callable[[], object], answer: object) -> None:
        try:
            while True:
                assert call() == answer
        except BaseException as error:  # noqa: BLE001 - looked at below
            ends.append(error)

    calls: list[tuple[Callable[[], object], object]] = [
        (lambda: recognizer.recognize("pain"), expected["pain"]),
        (lambda: recognizer.recognize(LONG), expected[LONG]),
        (lambda: list(recognizer.pipe(["pain", LONG])), [expected["pain"], expected[LONG]]),
        (lambda: asyncio.run(recognizer.arecognize(LONG)), expected[LONG]),
        (lambda: len(recognizer.token_logits("pain")), rows),
    ]
    callers = [threading.Thread(target=use, args=call) for call in calls]
    for caller in callers:
        caller.start()
    time.sleep(0.3)
    recognizer.close()
    for caller in callers:
        caller.join(30)
    assert [type(end) for end in ends] == [ClosedError] * len(calls)


def test_a_pipe_that_was_half_read_ends_with_the_error(folder: Path) -> None:
    """It does not wait for workers that are gone."""
    recognizer = Recognizer.load(folder, threads=2)
    results = recognizer.pipe(["pain"] * 1000)
    next(results)
    recognizer.close()
    with pytest.raises(ClosedError):
        for _ in results:
            pass


def test_without_close_the_garbage_collector_ends_the_threads(folder: Path) -> None:
    """A recognizer that is forgotten, a half-read pipe with it, leaves nothing."""
    before = processes.threads()
    recognizer = Recognizer.load(folder, threads=2)
    results = recognizer.pipe(["pain"] * 1000)
    next(results)
    asyncio.run(recognizer.arecognize("pain"))
    assert processes.threads() != before
    del recognizer, results
    end = time.monotonic() + 10
    while processes.threads() != before and time.monotonic() < end:
        gc.collect()  # again: a window that was running held the recognizer for as long as it ran
        time.sleep(0.02)
    assert processes.threads() == before


def test_the_interpreter_ends_without_close(folder: Path) -> None:
    """With a pipe half read, calls awaited and a session loading; at once, and without a word."""
    processes.run(
        """
import asyncio, sys
from clinspan import Recognizer
recognizer = Recognizer.load(sys.argv[1] or None, threads=2)
results = recognizer.pipe(["She has pneumonia. " * 60] * 1000)
next(results)
asyncio.run(recognizer.arecognize("pain"))
for _ in range(3):
    recognizer.recognize("pain")
""",
        "",
        timeout=30,
    )


CYCLES = """
import asyncio, json, os, sys, threading
from tests.support import example_notes, processes
from clinspan import LoadOptions, Recognizer

note = example_notes.SENTENCE * 100

def cycle():
    with Recognizer.load(sys.argv[1], threads=2, options=LoadOptions(reuse=10)) as recognizer:
        recognizer.recognize(note)
        for _ in range(2):
            recognizer.recognize("pain")
        next(recognizer.pipe(["pain"] * 100))
        asyncio.run(recognizer.arecognize("pain"))

def held():
    return len(processes.threads()), len(os.listdir("/proc/self/fd")), processes.resident()

for _ in range(40):
    cycle()
first = held()
for _ in range(160):
    cycle()
print(json.dumps([first, held()]))
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files")
def test_two_hundred_recognizers_leak_nothing(folder: Path) -> None:
    """Loaded, used in every way and closed: no thread, no open file, no memory that grows with their number."""
    import json

    (threads, files, memory), (threads_then, files_then, memory_then) = json.loads(
        processes.run(CYCLES, folder, timeout=120)
    )
    assert threads == threads_then == 0
    assert files == files_then
    assert memory_then < memory + 8


def test_closing_gives_the_memory_back() -> None:
    """The memory of the bundled model and its work comes back, except for what onnxruntime keeps once it has started."""
    found = processes.run(
        """
from tests.support import example_notes, processes
from clinspan import Recognizer

kept = []

def use():
    recognizer = Recognizer.load(threads=2)
    kept.append(recognizer)  # closing gives memory back, not forgetting
    for _ in range(3):
        recognizer.recognize("pain")
    processes.wait_for_the_wide_session()
    list(recognizer.pipe([example_notes.SENTENCE * 60] * 2))
    used = processes.resident()
    recognizer.close()
    return used, processes.resident()

first, closed = use()
last = [use()[0] for _ in range(3)][-1]
print(first - closed, last - first)
""",
    )
    returned, more = map(float, found.split())
    assert returned > 35, "megabytes; the weights are 23, mapped once and packed for two sessions"
    assert more < 100, (
        "megabytes, after three more: 20 to 75 where the models go, 150 and more where they stay"
    )
