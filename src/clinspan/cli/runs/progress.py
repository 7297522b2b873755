"""How far a run over many notes is, and what failed in it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from clinspan.cli.console import say
from clinspan.extract.outcomes import Failure

R = TypeVar("R")

# Failed notes that the report at the end names.
_NAMED = 5


@dataclass(slots=True)
class Failed:
    """How many notes failed, and the first of them."""

    count: int = 0
    first: list[Failure] = field(default_factory=list)

    def add(self, failure: Failure) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(failure)


def report(failed: Failed, left_out: Counter[str], *, told: bool) -> None:
    """Say at the end which notes failed and which files were left out; `told` where the output says it too."""
    if left_out:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in left_out.most_common())
        say(f"clinspan: left out {counted(left_out.total(), 'file')} of other kinds: {kinds}")
    if failed.count:
        also = ", as the output says too" if told else ", and the output has no place to say so"
        say(f"clinspan: {counted(failed.count, 'note')} failed{also}:")
        for failure in failed.first:
            say(f"  {failure.id}: {failure.reason}")
        if failed.count > len(failed.first):
            say(f"  and {failed.count - len(failed.first):,} more")


def counted(number: int, thing: str) -> str:
    """Say a number of things."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def with_progress(
    results: Iterable[R | Failure], failed: Failed, length: Callable[[R], int]
) -> Iterator[R | Failure]:
    """Count the notes, and show the count on a terminal once there are several; `length` is in characters."""
    shown = sys.stderr is not None and sys.stderr.isatty()
    began = last = time.monotonic()
    characters = count = 0
    try:
        for outcome in results:
            count += 1
            if isinstance(outcome, Failure):
                failed.add(outcome)
            else:
                characters += length(outcome)
            yield outcome
            now = time.monotonic()
            if shown and count > 1 and now - last > 0.2:
                last = now
                say(_progress(count, failed.count, characters, now - began), end="")
    finally:
        if shown and count > 1:
            say("")


def _progress(count: int, failed: int, characters: int, seconds: float) -> str:
    trouble = f", {failed:,} failed" if failed else ""
    return (
        f"{count:,} notes{trouble}, {count / seconds:,.0f} notes/s, {characters / seconds:,.0f} characters/s "
    )
