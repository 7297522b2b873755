"""Special tokens, spare cores and reuse: whatever serves a window, its logits are the same."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from tests.support.processes import wait_for_the_wide_session

from clinspan import BundleError, InputError, LoadOptions, Recognizer
from clinspan.engine.model import LogitsCache

HISTORY = "She was admitted with pneumonia and treated for it.\n" * 9
MEDICATIONS = "Metformin 500 mg twice daily for diabetes.\n" * 9
DAYS = [f"Day {day}: slept well.\n\n{HISTORY}\n{MEDICATIONS}\nPlan: {'walk ' * day}" for day in range(1, 6)]


def test_lone_messages_get_all_cores_and_the_same_answer() -> None:
    """The session for lone windows gives the spans and scores of the shared one, to the bit."""
    recognizer = Recognizer.load(threads=2)
    messages = [
        "She has pneumonia.",
        "Chest pain; troponin ordered.",
        "Metformin 500 mg PO bid for diabetes.",
    ]
    narrow = list(recognizer.pipe(messages))
    first = [recognizer.recognize(message) for message in messages]
    wait_for_the_wide_session()
    assert recognizer._runner.model._wide is not None
    assert recognizer._runner.model._wide.threads == 2
    assert [recognizer.recognize(message) for message in messages] == first == narrow


def test_one_message_loads_no_second_session() -> None:
    """A process that reads one message and ends does not pay for the next one."""
    recognizer = Recognizer.load(threads=2)
    recognizer.recognize("She has pneumonia.")
    wait_for_the_wide_session()
    assert recognizer._runner.model._wide is None


def test_threads_that_the_caller_set_are_left_alone() -> None:
    """An expert's thread count is not widened behind the expert's back."""
    recognizer = Recognizer.load(threads=2, options=LoadOptions(session_options={"intra_op_num_threads": 1}))
    assert recognizer._runner.model._widen is None


def test_a_wide_session_that_fails_leaves_the_narrow_one(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers go on, and the log says why they are no faster."""
    recognizer = Recognizer.load(threads=2)

    def fail() -> None:
        raise BundleError("the file is gone")

    monkeypatch.setattr(recognizer._runner.model, "_widen", fail)
    for _ in range(3):
        assert recognizer.recognize("She has pneumonia.")
        wait_for_the_wide_session()
    assert "could not be loaded once more" in caplog.text


def test_reused_windows_give_the_same_spans_to_the_bit() -> None:
    """A series of notes that copy each other: hits, and no difference to a recognizer that forgot."""
    kept = Recognizer.load(options=LoadOptions(reuse=100))
    assert kept._runner.model.cache is not None
    answers = [kept.recognize(day) for day in DAYS]
    assert kept._runner.model.cache.hits >= 4
    assert answers == [Recognizer.load(options=LoadOptions(reuse=1)).recognize(day) for day in DAYS]
    assert answers == [kept.recognize(day) for day in DAYS]


def test_reuse_is_bounded_and_drops_the_longest_unused() -> None:
    """Two places: the one that was asked for last stays."""
    cache = LogitsCache(2)
    for name in (b"a", b"b"):
        cache.put(name, np.zeros((1, 2), np.float32))
    assert cache.get(b"a") is not None
    cache.put(b"c", np.zeros((1, 2), np.float32))
    assert cache.get(b"b") is None
    assert cache.get(b"a") is not None


def test_kept_logits_cannot_be_changed() -> None:
    """A caller who writes into an answer does not write into the next one."""
    cache = LogitsCache(1)
    cache.put(b"a", np.zeros((1, 2), np.float32))
    logits = cache.get(b"a")
    assert logits is not None
    with pytest.raises(ValueError, match="read-only"):
        logits[0, 0] = 1


def test_a_negative_number_of_windows_is_refused() -> None:
    """It is a mistake, not a way to say none."""
    with pytest.raises(InputError, match="reuse is -1"):
        Recognizer.load(options=LoadOptions(reuse=-1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_lone_messages_after_a_fork_do_not_wait_for_the_parents_threads() -> None:
    """The wide session's threads stay in the parent; the child answers all the same."""
    script = (
        "import os\n"
        "from tests.support.processes import wait_for_the_wide_session\n"
        "from clinspan import Recognizer\n"
        "recognizer = Recognizer.load(threads=2)\n"
        "for _ in range(3):\n"
        "    answer = recognizer.recognize('She has pneumonia and a cough.')\n"
        "    wait_for_the_wide_session()\n"
        "assert recognizer._runner.model._wide is not None\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    same = all(recognizer.recognize('She has pneumonia and a cough.') == answer for _ in range(4))\n"
        "    os._exit(0 if same else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)
