"""Which windows run together, in what order, on how many workers.

On CPU each window runs alone on a single-threaded session that all workers share: nothing is padded, all
cores are busy, and the answer for a window cannot depend on what else is in flight. A GPU wants many
windows at once: there, windows of similar length run in batches of a given number of tokens.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from clinspan.engine.workers import Task, Workers

Job = TypeVar("Job")
Result = TypeVar("Result")

# Batches' worth of jobs that are sorted by size together.
_BATCHES_DRAWN = 4


def in_order(
    jobs: Iterable[Job],
    run: Callable[[Job], Result],
    *,
    workers: Workers | None,
    ahead: int,
) -> Iterator[tuple[Job, Result]]:
    """Run jobs and yield them with their results in the order in which they came.

    Jobs are drawn lazily: at most `ahead` are in flight or waiting to be yielded. So the caller's thread
    prepares the next jobs while workers run, and memory stays bounded however many there are. An error in
    drawing a job is raised in its turn, after the results of the jobs before it.

    Args:
        jobs: any iterable, drawn from the caller's thread.
        run: called on a worker, or on the caller's thread without workers.
        workers: the threads; None to run on the caller's.
        ahead: jobs handed out before the oldest result is waited for, at least 1.
    """
    if workers is None:
        yield from ((job, run(job)) for job in jobs)
        return
    flying: deque[_Flight[Job, Result]] = deque()
    errors: list[Exception] = []
    try:
        for job in _until_error(jobs, errors):
            flying.append(_Flight(job, workers.submit(run, job)))
            while len(flying) >= ahead or (flying and flying[0].ready()):
                done = flying.popleft()
                yield done.job, done.result(run)
        while flying:
            done = flying.popleft()
            yield done.job, done.result(run)
    finally:
        for waiting in flying:
            waiting.cancel()
    if errors:
        raise errors.pop()


@dataclass(slots=True)
class _Flight(Generic[Job, Result]):
    """A job on a worker of one process. A forked one has no such worker, and runs the job itself."""

    job: Job
    task: Task[Result]
    process: int = field(default_factory=os.getpid)

    def ready(self) -> bool:
        return self.process != os.getpid() or self.task.done()

    def result(self, run: Callable[[Job], Result]) -> Result:
        return self.task.result() if self.process == os.getpid() else run(self.job)

    def cancel(self) -> None:
        self.task.cancelled = True


def _until_error(jobs: Iterable[Job], errors: list[Exception]) -> Iterator[Job]:
    """Jobs until drawing one fails; the error is kept, to be raised in its turn."""
    try:
        yield from jobs
    except Exception as error:  # noqa: BLE001 - whatever the caller's iterable raises is raised again
        errors.append(error)


def in_batches(
    jobs: Iterable[Job],
    size: Callable[[Job], int],
    run: Callable[[Sequence[Job]], Sequence[Result]],
    *,
    tokens: int,
) -> Iterator[tuple[Job, Result]]:
    """Run jobs in batches of like size and yield them with their results in the order in which they came.

    Jobs are drawn lazily, some batches' worth at a time, and sorted by size within those, so that little is
    padded and memory stays bounded. An error in drawing a job is raised in its turn.

    Args:
        jobs: any iterable.
        size: tokens of a job; 0 for a job that rides along with any batch.
        run: gives the results of a batch, in its order.
        tokens: most tokens of a batch, padding included; a larger job runs alone.
    """
    drawn: list[Job] = []
    waiting = 0
    errors: list[Exception] = []
    for job in _until_error(jobs, errors):
        drawn.append(job)
        waiting += size(job)
        if waiting >= tokens * _BATCHES_DRAWN:
            yield from zip(drawn, _run_sorted(drawn, size, run, tokens), strict=True)
            drawn, waiting = [], 0
    yield from zip(drawn, _run_sorted(drawn, size, run, tokens), strict=True)
    if errors:
        raise errors.pop()


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
