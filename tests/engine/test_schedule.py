"""Jobs run at once, results in order."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.engine.schedule import in_batches, in_order
from clinspan.engine.workers import Workers


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    """However long each takes."""

    def run(job: int) -> int:
        time.sleep(0.002 * (job % 3))
        return job * job

    if workers == 0:
        found = list(in_order(range(20), run, workers=None, ahead=4))
    else:
        with contextlib.closing(Workers(workers, "test")) as pool:
            found = list(in_order(range(20), run, workers=pool, ahead=4))
    assert found == [(job, job * job) for job in range(20)]


def test_jobs_are_drawn_only_a_few_ahead() -> None:
    """An endless stream of notes is read a few notes ahead."""
    drawn = 0

    def jobs() -> Iterator[int]:
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn

    with contextlib.closing(Workers(2, "test")) as pool:
        results = in_order(jobs(), lambda job: job, workers=pool, ahead=5)
        for count in range(1, 50):
            next(results)
            assert drawn <= count + 5
        results.close()  # type: ignore[attr-defined]


def test_an_error_reaches_the_caller_and_stops_what_waits() -> None:
    """The job's own error, after the results before it."""
    gate = threading.Event()
    ran: list[int] = []

    def run(job: int) -> int:
        ran.append(job)
        if job == 0:
            gate.wait(5)
            raise ValueError("job 0")
        return job

    with contextlib.closing(Workers(1, "test")) as pool:
        results = in_order(range(100), run, workers=pool, ahead=10)
        threading.Timer(0.05, gate.set).start()
        with pytest.raises(ValueError, match="job 0"):
            next(results)
    assert len(ran) < 12


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 120))
def test_batches_keep_the_order_and_their_size(sizes: list[int], tokens: int) -> None:
    """Every job comes back once, with its own result, in order; no batch of several is over the limit."""
    batches: list[list[int]] = []

    def run(batch: Sequence[tuple[int, int]]) -> list[int]:
        batches.append([size for _, size in batch])
        return [number for number, _ in batch]

    jobs = list(enumerate(sizes))
    results = list(in_batches(jobs, lambda job: job[1], run, tokens=tokens))
    assert results == [(job, job[0]) for job in jobs]
    assert all(len(batch) == 1 or len(batch) * max(batch) <= tokens for batch in batches)


def test_batches_are_drawn_lazily() -> None:
    """A stream of notes is not read to its end before the first answer."""
    drawn: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(1000):
            drawn.append(number)
            yield number

    next(in_batches(jobs(), lambda _: 10, list, tokens=20))
    assert len(drawn) < 20
