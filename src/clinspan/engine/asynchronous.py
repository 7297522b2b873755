"""Wait for a worker's result without blocking an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from clinspan.engine.workers import Task, Workers

Result = TypeVar("Result")


async def result_of(workers: Workers, work: Callable[[], Result]) -> Result:
    """Do work on a thread of a pool; raises ClosedError where the pool is closed, and what the work raises."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()
    tasks: list[Task[Result]] = []

    def settle() -> None:
        if future.done():  # cancelled
            return
        try:
            future.set_result(tasks[0].result())
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            future.set_exception(error)

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(settle)

    tasks.append(workers.submit(work, on_done=tell))
    return await future
