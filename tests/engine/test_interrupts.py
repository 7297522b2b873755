"""An exception from a signal handler, at any line of ours: it passes as it is, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.support import bundles, example_notes, processes

import clinspan
from clinspan import LoadOptions, Recognizer

SOURCE = str(Path(clinspan.__file__).parent)
LONG = example_notes.SENTENCE * 40


class SoftTimeLimitError(Exception):
    """As Celery's, which its signal handler raises."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.bundle(tmp_path_factory.mktemp("interrupts") / "bundle")


@contextmanager
def interrupted_at(moment: int) -> Iterator[list[str]]:
    """Raise SoftTimeLimitError at the line of clinspan that is run with that number; gives where that was."""
    left, where = moment, []

    def local(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if event != "line":
            return local
        left -= 1
        if left == 0:
            where.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
            sys.settrace(None)
            raise SoftTimeLimitError
        return local

    def entered(frame: FrameType, _event: str, _: object) -> Any:
        return local if frame.f_code.co_filename.startswith(SOURCE) else None

    sys.settrace(entered)
    try:
        yield where
    finally:
        sys.settrace(None)


def answers(recognizer: Recognizer, note: str) -> list[Any]:
    """Ask in another thread, and wait ten seconds at most."""
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(recognizer.recognize(note)), daemon=True)
    thread.start()
    thread.join(10)
    return got


CALLS: dict[str, Callable[[Recognizer], object]] = {
    "recognize": lambda recognizer: recognizer.recognize("She has pneumonia."),
    "long note": lambda recognizer: recognizer.recognize(LONG),
    "pipe": lambda recognizer: list(recognizer.pipe([LONG, "pain", LONG])),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("call", CALLS)
def test_an_interrupt_at_any_line_leaves_nothing_behind(folder: Path, call: str, threads: int) -> None:
    """It arrives as it is, and both the caller and another thread have their answers afterwards."""
    with Recognizer.load(folder, threads=threads, options=LoadOptions(reuse=4)) as recognizer:
        run = CALLS[call]
        expected, note = recognizer.recognize(LONG), recognizer.recognize("pain")
        moment = 1
        while True:
            with interrupted_at(moment) as where:
                try:
                    run(recognizer)
                except SoftTimeLimitError:
                    pass
                else:
                    if not where:
                        break
            assert answers(recognizer, LONG) == [expected], where
            assert recognizer.recognize("pain") == note, where
            moment += max(1, moment // 50)  # every line of the first note's way, and some of every loop
        assert moment > 100, "lines of ours that a call runs"
        began = time.monotonic()
    assert time.monotonic() - began < 5, "closing waits for nothing that is gone"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forks_do_not_wait_after_interrupts(folder: Path) -> None:
    """No run that was cut short counts as one under way; interrupts inside a fork's own steps do not hold runs back."""
    said = processes.run(
        """
import os, sys, time
from tests.engine.test_interrupts import SoftTimeLimitError, interrupted_at
from clinspan import Recognizer

recognizer = Recognizer.load(sys.argv[1], threads=1)
expected = recognizer.recognize("She has pneumonia.")
for moment in range(1, 400, 7):
    with interrupted_at(moment):
        try:
            recognizer.recognize("She has pneumonia.")
        except SoftTimeLimitError:
            pass
sys.unraisablehook = lambda _: None
for moment in range(1, 40):
    began = time.monotonic()
    with interrupted_at(moment):
        try:
            pid = os.fork()
        except SoftTimeLimitError:
            continue
    if pid == 0:
        os._exit(recognizer.recognize("She has pneumonia.") != expected)
    assert os.waitpid(pid, 0)[1] == 0, moment
    assert recognizer.recognize("She has pneumonia.") == expected
    assert time.monotonic() - began < 8, moment
print("done")
""",
        folder,
        timeout=120,
    )
    assert said == "done\n"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
@pytest.mark.parametrize("kind", [SoftTimeLimitError, TimeoutError, KeyboardInterrupt, MemoryError])
def test_what_the_libraries_did_not_raise_passes_as_it_is(folder: Path, kind: type[BaseException]) -> None:
    """An alarm goes off while tokenizers or onnxruntime are at work, many times over."""

    def handler(*_: object) -> None:
        raise kind

    before = signal.signal(signal.SIGALRM, handler)
    arrived: set[type[BaseException]] = set()
    gc.disable()  # callbacks of the test's own libraries must not be the ones that are interrupted
    try:
        with Recognizer.load(folder, threads=1) as recognizer:
            for count in range(40):
                signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.0007 * count)
                try:
                    recognizer.recognize("abc def " * 40_000)
                except BaseException as error:  # noqa: BLE001 - which kind arrives is what is asked
                    arrived.add(type(error))
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    assert arrived == {kind}
