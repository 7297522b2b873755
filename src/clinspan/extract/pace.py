"""How far something long is: how many of how many, how fast, how long it will still take, and a last line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from clinspan.engine.calls import spoken

Item = TypeVar("Item")

# Seconds before the first line, so that what is soon over is not told, and between two lines.
PATIENCE, EVERY = 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Telling:
    """The listener, and when it is told: a line now and then, and the last one.

    Attributes:
        tell: gets a line, and whether it is the last.
        patience: seconds before the first line; nothing at all is told of what is over by then.
        every: seconds between two lines.
        what: the things that are counted.
        also: gives what else belongs into a line, such as `, 3 failed`.
    """

    tell: Callable[[str, bool], None]
    patience: float = PATIENCE
    every: float = EVERY
    what: str = "notes"
    also: Callable[[], str] = str


def paced(
    items: Iterable[Item],
    telling: Telling,
    *,
    total: Callable[[], int | None] = lambda: None,
    size: Callable[[Item], int] = lambda _: 0,
) -> Iterator[Item]:
    """Yield the items, and tell how far they are.

    Args:
        items: drawn as they are taken.
        telling: how.
        total: gives how many there are, None if nobody knows; asked once, when the first line is told.
        size: characters of an item.
    """
    began = told = monotonic()
    known: int | None = None
    lines = count = characters = 0
    try:
        for item in items:
            count += 1
            characters += size(item)
            yield item
            now = monotonic()
            if now - told >= (telling.every if lines else telling.patience):
                known = known if lines else total()
                lines, told = lines + 1, now
                telling.tell(_line(count, known, characters, now - began, telling), False)
    finally:
        seconds = monotonic() - began
        if lines or (count and seconds >= telling.patience):
            rates = _rates(count, characters, seconds, telling)
            telling.tell(f"{_counted(count, telling)} in {spoken(seconds)}{rates}", True)


def _line(count: int, total: int | None, characters: int, seconds: float, telling: Telling) -> str:
    rates = _rates(count, characters, seconds, telling)
    if total is None or total < count:
        return f"{_counted(count, telling)}{rates}"
    left = spoken(seconds / count * (total - count))
    return f"{count:,} of {total:,} {telling.what}{rates}, {left} left"


def _counted(count: int, telling: Telling) -> str:
    return f"{count:,} {telling.what.removesuffix('s') if count == 1 else telling.what}"


def _rates(count: int, characters: int, seconds: float, telling: Telling) -> str:
    seconds = max(seconds, 1e-9)
    rate = count / seconds
    shown = f"{telling.also()}, {rate:,.{0 if rate >= 10 else 1}f} {telling.what}/s"
    return f"{shown}, {characters / seconds:,.0f} characters/s" if characters else shown
