"""Threads that outlive a call and not their recognizer.

Not `concurrent.futures`: its futures and pools wait on conditions, whose `__enter__` is Python code. An exception from a
signal handler (Ctrl-C, a soft time limit) that arrives there leaves a lock held, and every later call hangs. Here the
only things that wait are a C queue and a C lock for each task, and a lost task holds nothing up.
"""

from __future__ import annotations

import _thread
import atexit
import sys
import threading
import time
import weakref
from _queue import Empty, SimpleQueue  # what `queue` re-exports, without its Python parts
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from clinspan.engine import forks
from clinspan.errors import ClosedError

Result = TypeVar("Result")

_PAUSE = 0.0005
# Seconds that the end of the interpreter waits for windows under way.
_LONGEST_WAIT = 60.0


class Task(Generic[Result]):
    """A call that a worker makes: its result or error, once it is done."""

    __slots__ = ("_arguments", "_done", "_error", "_on_done", "_result", "_run", "cancelled")

    def __init__(
        self, run: Callable[..., Result], arguments: tuple[Any, ...], on_done: Callable[[], None] | None
    ) -> None:
        self._run = run
        self._arguments = arguments
        self._on_done = on_done
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._done = _thread.allocate_lock()
        self._done.acquire()
        self.cancelled = False  # set it, and a task that has not begun never will

    def done(self) -> bool:
        """Say whether `result` would return at once."""
        return not self._done.locked()

    def result(self) -> Result:
        """Wait for the call, and return or raise what it returned or raised."""
        self._done.acquire()
        self._done.release()
        if self._error is not None:
            try:
                raise self._error
            finally:
                del self  # the traceback holds this very frame, which would hold the error
        return self._result  # type: ignore[return-value]

    def __call__(self) -> None:
        """Make the call; a worker does."""
        try:
            if not self.cancelled:
                self._result = self._run(*self._arguments)
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            self._error = error
        self._done.release()
        if self._on_done is not None:
            self._on_done()


class Workers:
    """Up to `count` threads, started as they are needed, replaced in a forked process, ended by `close`."""

    def __init__(self, count: int, name: str) -> None:
        self.count = count
        self._name = name
        self._closed = False
        self.after_fork()
        forks.watch(self)
        _pools().add(self)

    def after_fork(self) -> None:
        """Start with an empty pool: the parent's threads are not in this process."""
        self._tasks: SimpleQueue[Task[Any] | None] = SimpleQueue()
        self._threads: dict[int, str] = {}
        self._idle: deque[None] = deque()
        weakref.finalize(self, self._tasks.put, None)

    def submit(
        self, run: Callable[..., Result], /, *arguments: Any, on_done: Callable[[], None] | None = None
    ) -> Task[Result]:
        """Have a function called on one of the threads.

        Args:
            run: the function.
            arguments: for it.
            on_done: called on that thread once the result is there.

        Raises:
            ClosedError: after `close`.
        """
        task = Task(run, arguments, on_done)
        self._tasks.put(task)
        if self._closed:  # asked after, since no thread sees what is put behind the end
            raise ClosedError
        self._see_that_one_comes()
        return task

    def _see_that_one_comes(self) -> None:
        try:
            self._idle.pop()
        except IndexError:
            if len(self._threads) < self.count:
                self._start()

    def _start(self) -> None:
        try:
            _thread.start_new_thread(_work, (self._tasks, self._threads, self._idle, self.count, self._name))
        except RuntimeError:  # the system gives no more threads, or the interpreter is about to end
            if not self._threads:
                self._work_here()

    def _work_here(self) -> None:
        try:
            while (task := self._tasks.get_nowait()) is not None:
                task()
        except Empty:
            return

    def close(self) -> None:
        """Take nothing more, and wait for what was taken; safe to call twice."""
        self._closed = True
        self._tasks.put(None)
        _wait_for(self._threads)

    def end(self) -> None:
        """Let the threads go once they have done what was taken, without waiting for it."""
        self._closed = True
        self._tasks.put(None)


def thread_names() -> list[str]:
    """Return the names of the worker threads of this process, one entry for each."""
    return sorted(name for pool in list(_pools()) for name in list(pool._threads.values()))


def _work(
    tasks: SimpleQueue[Task[Any] | None], threads: dict[int, str], idle: deque[None], count: int, name: str
) -> None:
    """Do tasks until the end: a None, which stays for the other threads to see."""
    # As `threading.Thread` does, so that debuggers and coverage see what runs here.
    sys.settrace(threading.gettrace())
    sys.setprofile(threading.getprofile())
    me = _thread.get_ident()
    threads[me] = name
    try:
        # Several may start for one place; dictionaries keep their order, and the first ones stay.
        if list(threads).index(me) >= count:
            return
        while (task := _next(tasks, idle)) is not None:
            task()
            del task  # what it holds must not stay until the next one comes
        tasks.put(None)
    finally:
        del threads[me]


def _next(tasks: SimpleQueue[Task[Any] | None], idle: deque[None]) -> Task[Any] | None:
    try:
        return tasks.get_nowait()
    except Empty:
        idle.append(None)
        return tasks.get()


def _wait_for(threads: dict[int, str]) -> None:
    me = _thread.get_ident()
    give_up = time.monotonic() + _LONGEST_WAIT
    while set(threads) - {me} and time.monotonic() < give_up:
        time.sleep(_PAUSE)


_POOLS: list[weakref.WeakSet[Workers]] = []


def _pools() -> weakref.WeakSet[Workers]:
    if not _POOLS:
        _POOLS.append(weakref.WeakSet())
        # After the application's own threads have ended, which may still ask: a thread that is inside
        # onnxruntime as the interpreter goes would end the process with an error.
        atexit.register(_end_all)
    return _POOLS[0]


def _end_all() -> None:
    pools = list(_pools())
    for pool in pools:
        pool.end()
    for pool in pools:
        _wait_for(pool._threads)
