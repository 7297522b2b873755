"""One recognizer for many threads, and several recognizers in one process."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support import bundles, example_notes, processes

from clinspan import LoadOptions, Recognizer

NOTES = [example_notes.SENTENCE * count for count in (1, 2, 1, 40, 3, 90, 1)] + [
    "",
    "Metformin 500 mg twice daily.",
]


@pytest.fixture
def eager_switches() -> Iterator[None]:
    """Threads take turns hundreds of times more often than usual, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(*calls: Callable[[], object]) -> None:
    """Run calls at once, each on a thread, from the same moment on; raises what one of them raised."""
    errors: list[BaseException] = []
    begin = threading.Barrier(len(calls))

    def one(call: Callable[[], object]) -> None:
        try:
            begin.wait(30)
            call()
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    running = [threading.Thread(target=one, args=(call,)) for call in calls]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(120)
    assert not any(thread.is_alive() for thread in running)
    if errors:
        raise errors[0]


@pytest.mark.usefixtures("eager_switches")
@pytest.mark.parametrize("reuse", [0, 3], ids=["plain", "reuse"])
def test_many_threads_get_the_bits_that_one_gets_alone(tmp_path: Path, reuse: int) -> None:
    """All calls at once, notes of all lengths, a session loading, other recognizers coming and going."""
    with Recognizer.load(threads=1, options=LoadOptions(reuse=reuse)) as alone:
        spans = [alone.recognize(note) for note in NOTES]
        logits = [alone.token_logits(note) for note in NOTES]
    shared = Recognizer.load(threads=2, options=LoadOptions(reuse=reuse))

    def recognize(seed: int) -> None:
        for number in random.Random(seed).sample(range(len(NOTES)), len(NOTES)):
            assert shared.recognize(NOTES[number]) == spans[number]

    def pipe(seed: int) -> None:
        order = random.Random(seed).sample(range(len(NOTES)), len(NOTES))
        found = list(shared.pipe(NOTES[number] for number in order))
        assert found == [spans[number] for number in order]

    def rows() -> None:
        for note, expected in zip(NOTES, logits, strict=True):
            np.testing.assert_array_equal(shared.token_logits(note), expected)

    def come_and_go() -> None:
        for seed in range(5):
            with Recognizer.load(bundles.bundle(tmp_path / str(seed)), threads=2) as other:
                other.recognize(NOTES[3])

    with shared:
        together(
            *(lambda seed=seed: recognize(seed) for seed in range(4)),
            *(lambda seed=seed: pipe(seed) for seed in range(3)),
            rows,
            come_and_go,
        )


@pytest.mark.usefixtures("eager_switches")
def test_two_models_side_by_side_do_not_mix(tmp_path: Path) -> None:
    """Each gives the spans that it gives alone, and each has threads for its cores and no more."""
    folders = [bundles.bundle(tmp_path / name, seed=seed) for seed, name in enumerate("ab")]
    expected = []
    for folder in folders:
        with Recognizer.load(folder, threads=1) as alone:
            expected.append([alone.recognize(note) for note in NOTES])
    assert expected[0] != expected[1]
    before = processes.tasks()
    both = [Recognizer.load(folder, threads=2) for folder in folders]

    def use(which: int) -> None:
        for _ in range(5):
            assert [both[which].recognize(note) for note in NOTES] == expected[which]
            assert list(both[which].pipe(NOTES)) == expected[which]

    together(lambda: use(0), lambda: use(1))
    processes.wait_for_the_wide_session()
    # Two workers each, and one more thread that helps the caller's with a lone window.
    assert processes.settled(before + 2 * (2 + 1))
    for recognizer in both:
        recognizer.close()
