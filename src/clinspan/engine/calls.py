"""Whether a call may go on: one object answers, asked before every step that takes time."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from clinspan.errors import ClosedError, DeadlineError, InputError

_log = logging.getLogger(__name__)

# Seconds that a note takes before it is worth a line of the log, and between two of them.
_LONG = 5.0

# Seconds; a clock reading and a larger integer cannot be added.
_LONGEST = 1e18


class GivenUpError(Exception):
    """Ends the work of a call for which nobody waits any more."""


@dataclass(slots=True)
class Call:
    """A call under way, which ends once its recognizer is closed, its time is up, or nobody waits for it.

    Attributes:
        is_closed: says whether whoever answers the call was closed.
        timeout: seconds that the call may take; infinite without a limit.
        ends: when they are over, in seconds of the monotonic clock.
        given_up: set once the caller waits no longer.
    """

    is_closed: Callable[[], bool]
    timeout: float = math.inf
    ends: float = math.inf
    given_up: bool = False

    def check(self, note: int = 0) -> None:
        """Raise where the call must not go on.

        Args:
            note: place of the current note among those of the call, from 0, for the message.

        Raises:
            ClosedError: who answers was closed.
            DeadlineError: the time is up.
            GivenUpError: the caller waits no longer, so nobody sees it.
        """
        if self.is_closed():
            raise ClosedError
        if self.given_up:
            raise GivenUpError
        if time.monotonic() >= self.ends:
            raise DeadlineError(
                f"the timeout of {self.timeout:g} s passed before it was complete: "
                "give it more time, or fewer or shorter notes",
                note=note,
            )


class Waiting:
    """Logs, at level INFO, how far a note is that takes long: its number and its windows, nothing of its text."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def window(self, note: int, done: int, total: int) -> None:
        """Take note that a window is done; `done` of the note's `total` are."""
        now = time.monotonic()
        seconds, told = now - self._began, self._told > self._began
        if done == total:
            if told:
                _log.info("note %d: %d windows in %s", note, total, spoken(seconds))
            self._began = self._told = now
        elif now - self._told >= _LONG:
            left = spoken(seconds / done * (total - done))
            _log.info("note %d: %d of %d windows, %s left", note, done, total, left)
            self._told = now


def spoken(seconds: float) -> str:
    """Say a number of seconds as people do.

    >>> spoken(3.4), spoken(130), spoken(7300)
    ('3 s', '2 min 10 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
    )


def begin(is_closed: Callable[[], bool], timeout: float | None = None) -> Call:
    """Begin a call that may take `seconds` from now, or any time with None.

    Raises:
        ClosedError: who should answer is closed.
        InputError: the timeout is not a number above 0.
    """
    if is_closed():
        raise ClosedError
    if timeout is None:
        return Call(is_closed)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise InputError(f"timeout is {timeout!r}: expected seconds, more than 0")
    return Call(is_closed, timeout, time.monotonic() + min(timeout, _LONGEST))
