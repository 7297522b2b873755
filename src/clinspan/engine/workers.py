"""Threads that outlive a call and not their recognizer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from clinspan.engine import forks
from clinspan.errors import ClosedError

Result = TypeVar("Result")


class Workers:
    """So many threads, started as they are needed, made anew in a forked process, ended by `close`."""

    def __init__(self, count: int, name: str) -> None:
        self.count = count
        self._name = name
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """Start with an empty pool: the parent's threads are not in this process."""
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = ThreadPoolExecutor(self.count, self._name)

    def submit(self, run: Callable[..., Result], /, *arguments: Any) -> Future[Result]:
        """Have a function called on one of the threads; raises ClosedError after `close`."""
        with self._lock:
            if self._pool is None:
                raise ClosedError
            try:
                return self._pool.submit(run, *arguments)
            except BaseException:
                # An interrupt just as a thread starts leaves it unknown to its pool, and the interpreter would
                # wait for it for ever as it ends. This tells it to go once it has no more to do.
                self._pool.shutdown(wait=False)
                self._pool = ThreadPoolExecutor(self.count, self._name)
                raise

    def close(self) -> None:
        """Take nothing more, and wait for what was taken; again is no error."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
