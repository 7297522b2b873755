"""How far a command over many notes is, and what failed in it."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from clinspan.cli.console import say
from clinspan.engine import calls
from clinspan.extract.inputs.entry import ReadOptions
from clinspan.extract.notes import list_notes
from clinspan.extract.outcomes import Failure
from clinspan.extract.pace import Telling, paced

R = TypeVar("R")
Item = TypeVar("Item")

# Failed notes that the report at the end names.
_NAMED = 5
# Seconds between two states of the line on a terminal.
_REFRESH = 0.2


@dataclass(slots=True)
class Failed:
    """How many notes failed, the first of them, and how many an earlier run had done."""

    count: int = 0
    first: list[Failure] = field(default_factory=list)
    done_before: int = 0

    def add(self, failure: Failure) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(failure)


def report(failed: Failed, left_out: Counter[str], *, told: bool) -> None:
    """Say at the end which notes failed and which files were left out; `told` where the output says it too.

    A note is known by its place, which its reason begins with: its id may be a field of the note.
    """
    if left_out:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in left_out.most_common())
        say(f"clinspan: left out {counted(left_out.total(), 'file')} of other kinds: {kinds}")
    if failed.count:
        also = ", as the output says too" if told else ", and the output has no place to say so"
        say(f"clinspan: {counted(failed.count, 'note')} failed{also}:")
        for failure in failed.first:
            say(f"  {failure.reason}")
        if failed.count > len(failed.first):
            say(f"  and {failed.count - len(failed.first):,} more")


def counted(number: int, thing: str) -> str:
    """Say a number of things."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def with_progress(
    results: Iterable[R | Failure],
    failed: Failed,
    length: Callable[[R], int],
    *,
    quiet: bool = False,
    total: Callable[[], int | None] = lambda: None,
) -> Iterator[R | Failure]:
    """Count the notes, and tell how far they are; `length` is in characters, `total` as `paced` asks for it."""

    def counting() -> Iterator[R | Failure]:
        for outcome in results:
            if isinstance(outcome, Failure):
                failed.add(outcome)
            yield outcome

    def size(outcome: R | Failure) -> int:
        return 0 if isinstance(outcome, Failure) else length(outcome)

    def also() -> str:
        return f", {failed.count:,} failed" if failed.count else ""

    def rest() -> int | None:
        everything = total()
        return None if everything is None else everything - failed.done_before

    return told(counting(), quiet=quiet, total=rest, size=size, also=also)


def told(
    items: Iterable[Item],
    *,
    quiet: bool,
    total: Callable[[], int | None] = lambda: None,
    size: Callable[[Item], int] = lambda _: 0,
    also: Callable[[], str] = str,
) -> Iterator[Item]:
    """Yield what a model gives for notes, and tell how far it is.

    On a terminal one line is written over and over; without one, a line now and then, and none of what is soon over.
    """
    if quiet:
        yield from items
        return
    screen = _Screen()
    telling = Telling(screen.tell, also=also)
    if screen.terminal:
        telling = replace(telling, patience=_REFRESH, every=_REFRESH)
    try:
        with _long_notes(screen):
            for item in paced(items, telling, total=total, size=size):
                screen.done += 1
                yield item
    finally:
        if screen.shown and screen.terminal:
            say("")


class _Screen:
    """Standard error: a line that is written over and over on a terminal, and line after line elsewhere."""

    def __init__(self) -> None:
        self.terminal = sys.stderr is not None and sys.stderr.isatty()
        self.done = 0
        self.shown = False

    def tell(self, line: str, last: bool) -> None:
        """Tell how far the notes are; one note alone is not worth it on a terminal."""
        if not self.terminal or self.done > 1 or self.shown:
            self.show(line)

    def show(self, line: str) -> None:
        """Write a line."""
        self.shown = True
        if self.terminal:
            say(f"{line:<78}", end="")
        else:
            say(f"clinspan: {line}")


@contextmanager
def _long_notes(screen: _Screen) -> Iterator[None]:
    """Tell what the runtime logs of notes that take long; their numbers are those of a call, and left out."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            screen.show(f"note {screen.done + 1:,}: {record.getMessage().partition(': ')[2]}")

    logger, handler = logging.getLogger(calls.__name__), Handler()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


def count_notes(sources: Sequence[str], options: ReadOptions) -> Callable[[], int | None]:
    """Give what counts the notes of files, by listing them once more; None where that cannot be done."""

    def count() -> int | None:
        paths = [Path(source) for source in sources]
        if not all(path.is_file() or path.is_dir() for path in paths):  # a pipe can be read only once
            return None
        return sum(1 for _ in list_notes(sources, replace(options, left_out=Counter())))

    return count
