"""After a fork: gunicorn with a preloaded application, multiprocessing, children of children."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support import bundles, processes

from clinspan import Recognizer
from clinspan.engine import forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

# Every child ends as any process does, not by os._exit: what waits for a thread at the end would hang too.
BEGIN = """
import os, signal, sys, threading, time
from clinspan import Recognizer
from tests.support import processes

note = "She has pneumonia. "
long = note * 120

def child(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        work()
        sys.exit(0)
    return pid

def check(*pids):
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0

def answers(recognizer, expected):
    for _ in range(3):  # the third lone note would have the wide session
        assert recognizer.recognize(note) == expected[0]
    assert recognizer.recognize(long) == expected[1]
    assert list(recognizer.pipe([note, long])) == expected
"""


def test_children_of_a_used_parent_answer_and_end() -> None:
    """Its workers ran and its wide session is there; several children at once, and one of them has its own."""
    processes.run(
        BEGIN
        + """
recognizer = Recognizer.load(threads=2)
expected = list(recognizer.pipe([note, long]))
for _ in range(3):
    recognizer.recognize(note)
    processes.wait_for_the_wide_session()
assert recognizer._runner.model._wide is not None

def work():
    answers(recognizer, expected)

def work_and_fork():
    work()
    check(child(work))

check(*[child(work), child(work), child(work_and_fork)])
answers(recognizer, expected)
"""
    )


def test_a_fork_while_the_wide_session_loads_is_harmless() -> None:
    """The load runs on a thread that the child has not got."""
    processes.run(
        BEGIN
        + """
for _ in range(2):
    recognizer = Recognizer.load(threads=2)
    expected = list(recognizer.pipe([note, long]))
    for _ in range(2):
        recognizer.recognize(note)
    time.sleep(0.005)
    assert "clinspan-load" in processes.threads()
    check(child(lambda: answers(recognizer, expected)))
    recognizer.close()
"""
    )


def test_a_fork_while_other_threads_are_inside_calls_is_harmless(tmp_path: Path) -> None:
    """Twelve children, born at any moment of four busy threads."""
    processes.run(
        BEGIN
        + """
recognizer = Recognizer.load(sys.argv[1], threads=2)
expected = list(recognizer.pipe([note, long]))
over = False

def busy():
    while not over:
        answers(recognizer, expected)

callers = [threading.Thread(target=busy) for _ in range(4)]
[caller.start() for caller in callers]
try:
    for _ in range(12):
        check(child(lambda: answers(recognizer, expected)))
finally:
    over = True
    [caller.join() for caller in callers]
""",
        bundles.bundle(tmp_path / "bundle"),
    )


def test_a_fork_waits_for_the_window_that_runs() -> None:
    """No thread is inside onnxruntime at the moment of the fork, so none leaves a lock behind."""
    processes.run(
        BEGIN
        + """
from clinspan.engine import forks
forks.watch(type("Thing", (), {"after_fork": lambda self: None})())
state = ["outside"]

def work():
    state[0] = "inside"
    time.sleep(0.3)
    forks.between_forks(lambda: None)  # work inside work does not wait for the fork that waits for it
    state[0] = "done"

def window():
    forks.between_forks(work)

for _ in range(3):
    thread = threading.Thread(target=window)
    thread.start()
    while state[0] != "inside":
        time.sleep(0.001)
    pid = child(lambda: sys.exit(0 if state[0] == "done" else 1))
    check(pid)
    thread.join()
    window()  # nothing is held back any more
"""
    )


def test_every_run_and_every_load_is_work_that_a_fork_waits_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The two moments at which a thread is inside onnxruntime."""
    import onnxruntime

    seen: set[tuple[str, bool]] = set()
    load, run = onnxruntime.InferenceSession.__init__, onnxruntime.InferenceSession.run

    def noting(name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            seen.add((name, forks._runs(sys._getframe())))
            return inner(*arguments, **options)

        return call

    monkeypatch.setattr(onnxruntime.InferenceSession, "__init__", noting("load", load))
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", noting("run", run))
    with Recognizer.load(bundles.bundle(tmp_path / "bundle"), threads=1) as recognizer:
        recognizer.recognize("pain")
    assert seen == {("load", True), ("run", True)}


def test_a_session_with_threads_of_its_own_starts_anew_in_the_child() -> None:
    """An expert's `intra_op_num_threads` makes no child wait for the parent's threads."""
    processes.run(
        BEGIN
        + """
from clinspan import LoadOptions
recognizer = Recognizer.load(threads=2, options=LoadOptions(session_options={"intra_op_num_threads": 2}))
expected = list(recognizer.pipe([note, long]))
check(child(lambda: answers(recognizer, expected)), child(recognizer.close))
answers(recognizer, expected)
"""
    )


def test_a_child_never_takes_another_model_for_the_parents(tmp_path: Path) -> None:
    """If a session must be loaded again, a file that was replaced meanwhile is refused."""
    processes.run(
        BEGIN
        + """
from collections.abc import Callable
from pathlib import Path
from typing import Any
from clinspan import BundleError, LoadOptions
recognizer = Recognizer.load(sys.argv[1], options=LoadOptions(session_options={"intra_op_num_threads": 2}))
expected = recognizer.recognize(note)
Path(sys.argv[2]).replace(Path(sys.argv[1], "onnx", "model.onnx"))

def refused():
    try:
        recognizer.recognize(note)
    except BundleError as error:
        assert "replaced" in str(error)
    else:
        sys.exit(1)

check(child(refused))
assert recognizer.recognize(note) == expected
""",
        bundles.bundle(tmp_path / "bundle"),
        bundles.bundle(tmp_path / "other", seed=1) / "onnx" / "model.onnx",
    )


def test_a_pipe_may_go_on_in_the_child(tmp_path: Path) -> None:
    """Windows that the parent's workers had in hand are read again, in both processes in order."""
    processes.run(
        BEGIN
        + """
recognizer = Recognizer.load(sys.argv[1], threads=2)
notes = [note * count for count in range(1, 60)]
expected = list(recognizer.pipe(notes))
inner = recognizer._runner.model.logits

def slow(content, **options):  # so that windows are in hand at the moment of the fork
    time.sleep(0.005)
    return inner(content, **options)

recognizer._runner.model.logits = slow
results = recognizer.pipe(notes)
first = [next(results) for _ in range(20)]

def rest():
    assert first + list(results) == expected

check(child(rest))
rest()
""",
        bundles.bundle(tmp_path / "bundle"),
    )
