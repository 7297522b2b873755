"""Which windows run together, in what order, on how many workers.

Each window runs alone on a single-threaded session that all workers share: nothing is padded, all cores
are busy, and the answer for a window cannot depend on what else is in flight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


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
