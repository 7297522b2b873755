"""A call with a timeout stops between windows, and never gives half a note for a whole one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from clinspan import ClinspanError, DeadlineError, InputError, Recognizer, Span

SENTENCE = "She has pneumonia and was given ceftriaxone. "
LONG = SENTENCE * 4000


@pytest.fixture(scope="module", params=[1, 2], ids=["one-thread", "two-threads"])
def recognizer(request: pytest.FixtureRequest) -> Recognizer:
    return Recognizer.load(threads=request.param)


def test_stops_a_long_note_between_windows(recognizer: Recognizer) -> None:
    """A note that takes far longer than its timeout ends in DeadlineError soon after it."""
    began = time.monotonic()
    with pytest.raises(DeadlineError, match=r"^note 0: the timeout of 0\.2 s passed before it was complete"):
        recognizer.recognize(LONG, timeout=0.2)
    assert time.monotonic() - began < 5


def test_gives_complete_notes_first(recognizer: Recognizer) -> None:
    """`pipe` gives every note that was complete, then raises for the first that was not."""
    expected = recognizer.recognize(SENTENCE)
    results = recognizer.pipe([SENTENCE, SENTENCE, LONG], timeout=1.0)
    found: list[list[Span]] = []
    with pytest.raises(DeadlineError) as caught:
        found.extend(results)
        # `extend` keeps what it drew before the error.
    assert caught.value.note == 2
    assert found == [expected, expected]


def test_stops_an_endless_stream(recognizer: Recognizer) -> None:
    """The timeout bounds the whole iteration, not each note."""

    def endless() -> Iterator[str]:
        while True:
            yield SENTENCE

    with pytest.raises(DeadlineError):
        for _ in recognizer.pipe(endless(), timeout=0.2):
            pass


def test_a_timeout_that_is_not_reached_changes_nothing(recognizer: Recognizer) -> None:
    """Spans and scores are the same with a generous timeout as without one."""
    assert recognizer.recognize(SENTENCE * 40, timeout=600) == recognizer.recognize(SENTENCE * 40)


@pytest.mark.parametrize("timeout", [0, -1, True, "2", float("nan")], ids=repr)
def test_refuses_what_is_no_time(recognizer: Recognizer, timeout: object) -> None:
    """A timeout is seconds above zero; anything else is said at once, before a note is drawn."""
    with pytest.raises(InputError, match="timeout is"):
        recognizer.pipe([], timeout=timeout)  # type: ignore[arg-type]


def test_is_an_error_of_both_families() -> None:
    """Callers may catch it as clinspan's or as Python's own TimeoutError."""
    assert issubclass(DeadlineError, ClinspanError)
    assert issubclass(DeadlineError, TimeoutError)
