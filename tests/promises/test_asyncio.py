"""`arecognize`: right under many calls, no weight on the event loop, and stopped by cancelling its task."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import bundles, example_notes, processes

from clinspan import ClosedError, DeadlineError, InputError, Recognizer

LONG = example_notes.SENTENCE * 2000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Recognizer]:
    """A model of a few kilobytes on two workers."""
    with Recognizer.load(bundles.bundle(tmp_path / "bundle"), threads=2) as recognizer:
        yield recognizer


def count_windows(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[int]:
    """Note every window that starts; each takes `seconds`."""
    started: list[int] = []
    inner = recognizer._runner.model.logits

    def slow(content: object, **options: object) -> object:
        started.append(len(started))
        time.sleep(seconds)
        return inner(content, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(recognizer._runner.model, "logits", slow)
    return started


def test_many_calls_at_once_are_right_and_bounded(small: Recognizer) -> None:
    """Three hundred tasks, four running per core, each with its own note's spans."""
    notes = [f"Day {number}. " + example_notes.SENTENCE * (number % 30) for number in range(300)]
    others, most = len(processes.threads()), 0
    expected = list(small.pipe(notes))

    async def one(note: str) -> object:
        nonlocal most
        found = await small.arecognize(note)
        most = max(most, len(processes.threads()) - others)
        return found

    async def main() -> list[object]:
        return list(await asyncio.gather(*map(one, notes)))

    assert asyncio.run(main()) == expected
    assert most <= 2 * 4 + 2 + 1


def test_the_loop_goes_on_while_a_note_is_read(starter: Recognizer) -> None:
    """A heartbeat of 5 ms never waits for as much as half of the work, on however busy a machine; blocked, it would wait for all."""

    async def main() -> tuple[float, float]:
        gaps: list[float] = []

        async def beat() -> None:
            while True:
                began = time.perf_counter()
                await asyncio.sleep(0.005)
                gaps.append(time.perf_counter() - began)

        heart = asyncio.create_task(beat())
        await asyncio.sleep(0)
        began = time.perf_counter()
        await starter.arecognize(LONG[:30_000])
        took = time.perf_counter() - began
        heart.cancel()
        return took, max(gaps)

    took, longest = asyncio.run(main())
    assert longest < took / 2


def test_cancelling_the_task_stops_the_work(small: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long note is not read to its end for nobody."""
    started = count_windows(small, monkeypatch, 0.01)

    async def main() -> None:
        task = asyncio.create_task(small.arecognize(LONG))
        while len(started) < 5:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.1)
        soon = len(started)
        await asyncio.sleep(0.3)
        assert len(started) == soon < 60

    asyncio.run(main())


def test_a_call_that_waits_for_its_turn_is_cancelled_before_it_begins(
    small: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asyncio.timeout` over a crowd leaves no work behind."""
    started = count_windows(small, monkeypatch, 0.01)

    async def main() -> None:
        crowd = [asyncio.create_task(small.arecognize(LONG)) for _ in range(50)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.gather(*crowd)
        await asyncio.sleep(0.1)
        soon = len(started)
        await asyncio.sleep(0.3)
        assert len(started) == soon

    asyncio.run(main())


def test_short_notes_pass_long_ones(small: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many long notes as there are cores do not hold a short one up to their end."""
    count_windows(small, monkeypatch, 0.005)

    async def main() -> None:
        long = [asyncio.create_task(small.arecognize(LONG)) for _ in range(2)]
        await asyncio.sleep(0.1)
        await small.arecognize("She has pneumonia.")
        assert not any(task.done() for task in long)
        for task in long:
            task.cancel()
        await asyncio.gather(*long, return_exceptions=True)

    asyncio.run(main())


def test_errors_and_the_deadline_are_those_of_recognize(small: Recognizer) -> None:
    """The same options, the same checks."""
    with pytest.raises(InputError, match="aggregation"):
        asyncio.run(small.arecognize("pain", aggregation="median"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^note 0: it is of type int"):
        asyncio.run(small.arecognize(7))  # type: ignore[arg-type]
    with pytest.raises(DeadlineError):
        asyncio.run(small.arecognize(LONG * 10, timeout=0.05))
    found = asyncio.run(small.arecognize("She has pneumonia.", aggregation="max", threshold=0.3))
    assert found == small.recognize("She has pneumonia.", aggregation="max", threshold=0.3)


def test_closing_ends_awaited_calls_with_an_error(small: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running or waiting, they raise ClosedError: a task that nobody cancelled does not look cancelled."""
    started = count_windows(small, monkeypatch, 0.01)

    async def main() -> list[object]:
        crowd = [asyncio.create_task(small.arecognize(LONG)) for _ in range(30)]
        while len(started) < 5:
            await asyncio.sleep(0.005)
        threading.Thread(target=small.close).start()
        return list(await asyncio.wait_for(asyncio.gather(*crowd, return_exceptions=True), 20))

    assert {type(result) for result in asyncio.run(main())} == {ClosedError}
