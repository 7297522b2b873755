"""How far something long is, told now and then: counts, rates, the time that is left, a last line."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from tests.support.example_notes import EXAMPLES

from clinspan import Recognizer
from clinspan.engine import calls
from clinspan.extract import pace
from clinspan.extract.pace import Telling, paced

Told = list[tuple[str, bool]]


@pytest.fixture
def told() -> Told:
    """Lines that were told, and whether each was the last."""
    return []


@pytest.fixture
def telling(told: Told) -> Telling:
    return Telling(lambda line, last: told.append((line, last)))


def clock(monkeypatch: pytest.MonkeyPatch, *, step: float) -> None:
    """A clock that is `step` seconds on whenever it is asked."""
    times = iter(range(1_000_000))
    monkeypatch.setattr(pace, "monotonic", lambda: next(times) * step)


def test_what_is_soon_over_is_not_told(telling: Telling, told: Told) -> None:
    """Neither that it goes on nor that it is done."""
    assert list(paced(range(100), telling, total=lambda: 100)) == list(range(100))
    assert told == []


def test_a_line_has_count_total_rates_and_what_is_left(
    monkeypatch: pytest.MonkeyPatch, telling: Telling, told: Told
) -> None:
    """The last one has the time that it took."""
    clock(monkeypatch, step=6)
    asked = []

    def total() -> int:
        asked.append(1)
        return 30

    assert len(list(paced(range(30), telling, total=total, size=lambda _: 1000))) == 30
    assert told[0] == ("1 of 30 notes, 0.2 notes/s, 167 characters/s, 2 min 54 s left", False)
    assert told[1][0].startswith("3 of 30 notes, ")
    assert told[-1] == ("30 notes in 3 min 6 s, 0.2 notes/s, 161 characters/s", True)
    assert asked == [1]


def test_a_total_that_nobody_knows_is_not_made_up(
    monkeypatch: pytest.MonkeyPatch, telling: Telling, told: Told
) -> None:
    """Nor one that turns out to be too small, of a file that grew meanwhile."""
    clock(monkeypatch, step=6)
    list(paced(range(2), telling))
    assert told[0] == ("1 note, 0.2 notes/s", False)
    told.clear()
    list(paced(range(9), telling, total=lambda: 2))
    assert told[-2][0].startswith("9 notes, ")


def test_the_last_line_is_told_after_an_error_too(
    monkeypatch: pytest.MonkeyPatch, telling: Telling, told: Told
) -> None:
    """It says how many were done; the error passes as it is."""
    clock(monkeypatch, step=6)

    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(paced(items(), telling))
    assert told[-1] == ("1 note in 12 s, 0.1 notes/s", True)


def test_a_note_that_takes_long_is_logged_by_its_windows(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With its number, how many of its windows are done and the time that is left, and nothing of its text."""
    monkeypatch.setattr(calls, "_LONG", 0.0)
    caplog.set_level(logging.INFO, logger="clinspan")
    with Recognizer.load() as recognizer:
        text = EXAMPLES[0].read_text(encoding="utf-8")
        list(recognizer.pipe(["Fever.", "\n\n".join([text] * 5)]))
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("note 1: 1 of ")
    assert lines[0].endswith(" s left")
    assert lines[-1].startswith("note 1: ")
    assert " windows in " in lines[-1]
    words = {word.strip(".,") for word in text.split() if len(word) > 7}
    assert not any(word in line for word in words for line in lines)
