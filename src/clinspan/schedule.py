"""Which windows run together, in what order, on how many workers.

On CPU each window runs alone on a single-threaded session that all workers share: nothing is padded, all
cores are busy, and the answer for a window cannot depend on what else is in flight. A GPU wants many
windows at once: there, windows of like length run in batches of so many tokens.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TypeVar

from clinspan.errors import DeadlineError, InputError

Job = TypeVar("Job")
Result = TypeVar("Result")

# Batches' worth of jobs that are sorted by size together.
_BATCHES_DRAWN = 4


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock, in seconds, and the timeout that set it."""

    timeout: float
    at: float

    @staticmethod
    def after(timeout: float | None) -> Deadline:
        """Set a deadline this many seconds from now; None for none. Raises InputError unless above 0."""
        if timeout is None:
            return Deadline(math.inf, math.inf)
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
            raise InputError(f"timeout is {timeout!r}: expected seconds, more than 0")
        return Deadline(timeout, time.monotonic() + timeout)

    def passed(self) -> bool:
        """Whether it lies behind us."""
        return time.monotonic() >= self.at

    def check(self, number: int) -> None:
        """Raise DeadlineError, naming the note by its number, where it has passed."""
        if self.passed():
            raise DeadlineError(
                f"the timeout of {self.timeout:g} s passed before note {number} was complete: "
                "give it more time, or fewer or shorter notes"
            )


def in_order(
    jobs: Iterable[Job],
    run: Callable[[Job], Result],
    *,
    executor: Executor | None,
    ahead: int,
) -> Iterator[tuple[Job, Result]]:
    """Run jobs and yield them with their results in the order in which they came.

    Jobs are drawn lazily: at most `ahead` are in flight or waiting to be yielded. So the caller's thread
    prepares the next jobs while workers run, and memory stays bounded however many there are.

    Args:
        jobs: any iterable, drawn from the caller's thread.
        run: called on a worker, or on the caller's thread without an executor.
        executor: the workers.
        ahead: jobs handed out before the oldest result is waited for, at least 1.
    """
    if executor is None:
        yield from ((job, run(job)) for job in jobs)
        return
    flying: deque[tuple[Job, Future[Result]]] = deque()
    try:
        for job in jobs:
            flying.append((job, executor.submit(run, job)))
            while len(flying) >= ahead or (flying and flying[0][1].done()):
                done, future = flying.popleft()
                yield done, future.result()
        while flying:
            done, future = flying.popleft()
            yield done, future.result()
    finally:
        for _, future in flying:
            future.cancel()


def in_batches(
    jobs: Iterable[Job],
    size: Callable[[Job], int],
    run: Callable[[Sequence[Job]], Sequence[Result]],
    *,
    tokens: int,
) -> Iterator[tuple[Job, Result]]:
    """Run jobs in batches of like size and yield them with their results in the order in which they came.

    Jobs are drawn lazily, some batches' worth at a time, and sorted by size within those, so that little is
    padded and memory stays bounded.

    Args:
        jobs: any iterable.
        size: tokens of a job; 0 for a job that rides along with any batch.
        run: gives the results of a batch, in its order.
        tokens: most tokens of a batch, padding included; a larger job runs alone.
    """
    drawn: list[Job] = []
    waiting = 0
    for job in jobs:
        drawn.append(job)
        waiting += size(job)
        if waiting >= tokens * _BATCHES_DRAWN:
            yield from zip(drawn, _run_sorted(drawn, size, run, tokens), strict=True)
            drawn, waiting = [], 0
    yield from zip(drawn, _run_sorted(drawn, size, run, tokens), strict=True)


def _run_sorted(
    jobs: Sequence[Job],
    size: Callable[[Job], int],
    run: Callable[[Sequence[Job]], Sequence[Result]],
    tokens: int,
) -> list[Result]:
    results: dict[int, Result] = {}
    batch: list[int] = []
    for index in sorted(range(len(jobs)), key=lambda i: size(jobs[i])):
        if batch and (len(batch) + 1) * size(jobs[index]) > tokens:
            results.update(zip(batch, run([jobs[i] for i in batch]), strict=True))
            batch = []
        batch.append(index)
    if batch:
        results.update(zip(batch, run([jobs[i] for i in batch]), strict=True))
    return [results[index] for index in range(len(jobs))]
