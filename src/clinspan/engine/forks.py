"""Forking without a hang: nothing runs while the process forks, and the child starts anew.

A child process has one thread, the one that forked. A lock that another thread held stays locked in it for
ever, and whoever waits for another thread's work waits for ever. So a fork first waits until every run and
every load has come to its end, which takes as long as one window, and holds new ones off meanwhile. What
needs threads is put right in the child.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
import weakref
from collections import Counter
from functools import cache
from typing import Any, Protocol

_log = logging.getLogger(__name__)

# Longer than any model takes to load; past it, a fork goes on rather than hang.
_LONGEST_WAIT = 60.0


class Forked(Protocol):
    """What holds threads or locks."""

    def after_fork(self) -> None:
        """Put it right in a child process."""


class Gate:
    """A block that a fork waits for: `with gate: ...`. A thread may enter again while it is inside."""

    def __init__(self) -> None:
        # A reentrant lock: a signal handler may fork just where its own thread holds it.
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()
        self._forking: int | None = None

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._changed:
            while self._forking not in (None, me) and me not in self._inside:
                self._changed.wait()
            self._inside[me] += 1

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with self._changed:
            self._inside[me] -= 1
            if not self._inside[me]:
                del self._inside[me]
            if self._forking is not None:
                self._changed.notify_all()

    def shut(self) -> None:
        """Hold new blocks off, and wait for those of other threads to end."""
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._forking is None, _LONGEST_WAIT)
            self._forking = me
            quiet = self._changed.wait_for(lambda: not set(self._inside) - {me}, _LONGEST_WAIT)
        if not quiet:
            _log.warning("a fork did not wait longer than %g s for a model at work", _LONGEST_WAIT)

    def open(self) -> None:
        """Let blocks in again."""
        with self._changed:
            self._forking = None
            self._changed.notify_all()


gate = Gate()


def watch(thing: Forked) -> None:
    """Have something put right in every child process from now on, as long as it lives."""
    _watched().add(thing)


def never_end(thing: Any) -> None:
    """Keep an object for ever, past the end of the interpreter.

    For what would wait, as it ends, for threads that only the parent process has.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


@cache
def _watched() -> weakref.WeakSet[Forked]:
    things: weakref.WeakSet[Forked] = weakref.WeakSet()

    def put_right() -> None:
        gate.__init__()  # type: ignore[misc]  # its threads, and perhaps the holder of its lock, are gone
        # All are held until all are right: one may drop another, which must not end unprepared.
        for thing in list(things):
            thing.after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=gate.shut, after_in_parent=gate.open, after_in_child=put_right)
    return things
