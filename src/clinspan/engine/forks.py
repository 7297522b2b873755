"""Fork without a hang: nothing runs while the process forks, and the child starts with new threads.

A child process has one thread, the one that forked. A lock that another thread held stays locked in the
child, and waiting for another thread's work never ends. So a fork first waits until every run and every
load has ended, which takes as long as one window, and holds new ones back meanwhile. What needs threads is
put right in the child.

No lock and no count says who runs: an exception from a signal handler may arrive between any two steps, and
would leave either behind. A thread is at work while `_inside` is on its stack, and stacks cannot lie.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from functools import cache
from types import FrameType
from typing import Any, Protocol, TypeVar

_log = logging.getLogger(__name__)

Result = TypeVar("Result")

# Seconds, longer than any model takes to load; past it, a fork goes on rather than hang.
_LONGEST_WAIT = 60.0
# Seconds that a fork holds runs back after it last said so, in case it was interrupted and never ends.
_HOLD = 5.0
_PAUSE = 0.001

# Until when (in seconds of the monotonic clock) each forking thread holds the others back.
_forking: dict[int, float] = {}

_HELD_BACK = object()


class Forked(Protocol):
    """An object that holds threads or locks."""

    def after_fork(self) -> None:
        """Put it right in a child process."""


def between_forks(work: Callable[[], Result]) -> Result:
    """Do work that no fork may cut through; a fork in another thread is waited for first."""
    while True:
        result = _inside(work)
        if result is not _HELD_BACK:
            return result  # type: ignore[no-any-return]
        time.sleep(_PAUSE)


def _inside(work: Callable[[], Result]) -> Any:
    # Asked in here: a fork that begins after the question finds this frame, and waits.
    if _forking and _is_held_back():
        return _HELD_BACK
    return work()


def _is_held_back() -> bool:
    me, now = threading.get_ident(), time.monotonic()
    if not any(now < until for thread, until in list(_forking.items()) if thread != me):
        return False
    # Work inside work: the fork waits for the outer one, which must go on.
    return not _runs(sys._getframe(2))


def _runs(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is _inside.__code__:
            return True
        frame = frame.f_back
    return False


def _shut() -> None:
    """Hold new work back, and wait for that of other threads to end."""
    me = threading.get_ident()
    give_up = time.monotonic() + _LONGEST_WAIT
    while True:
        _forking[me] = time.monotonic() + _HOLD
        if not any(_runs(frame) for thread, frame in sys._current_frames().items() if thread != me):
            return
        if time.monotonic() > give_up:
            _log.warning("a fork did not wait longer than %g s for a model at work", _LONGEST_WAIT)
            return
        time.sleep(_PAUSE)


def _open() -> None:
    _forking.pop(threading.get_ident(), None)


def watch(thing: Forked) -> None:
    """Have something put right in every child process from now on, as long as it lives."""
    _watched().add(thing)


def never_end(thing: Any) -> None:
    """Keep an object past the end of the interpreter.

    For what would wait, as it ends, for threads that only the parent process has.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


@cache
def _watched() -> weakref.WeakSet[Forked]:
    things: weakref.WeakSet[Forked] = weakref.WeakSet()

    def put_right() -> None:
        _forking.clear()  # the threads that forked are the parent's
        # All are held until all are right: one may drop another, which must not end unprepared.
        for thing in list(things):
            thing.after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_shut, after_in_parent=_open, after_in_child=put_right)
    return things
