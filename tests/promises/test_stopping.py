"""Stopping early: an interrupt, a pipe left half read, a deadline, a note past the limit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import bundles, example_notes, processes

from clinspan import ClinspanError, DeadlineError, InputError, LoadOptions, Recognizer, Span
from clinspan.bundle.load_options import MAX_CHARACTERS

MARKER = "XYZZYMARKER"


@pytest.fixture(params=[1, 2], ids=["one-thread", "two-threads"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Recognizer]:
    """A model of a few kilobytes."""
    with Recognizer.load(bundles.bundle(tmp_path / "bundle"), threads=request.param) as recognizer:
        yield recognizer


INTERRUPTED = """
import sys
from clinspan import Recognizer
recognizer = Recognizer.load(threads=int(sys.argv[1]))
note = sys.stdin.read()
def notes():
    while True:
        yield note
print("ready", flush=True)
for spans in recognizer.pipe(notes()):
    print(len(spans), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other things there")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seconds", [0.0, 0.4], ids=["at-first", "in-the-midst"])
def test_an_interrupt_stops_a_pipe_at_once(threads: int, seconds: float) -> None:
    """The process ends by the signal, waits for no worker, and shows nothing of the note."""
    note = f"{MARKER} has pneumonia. " * 40
    command = [sys.executable, "-c", INTERRUPTED, str(threads)]
    process = processes.start_interruptible(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(note)
        process.stdin.close()
        process.stdin = None
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        interrupted = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert time.monotonic() - interrupted < 10
    assert process.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert MARKER not in said


def test_an_interrupt_just_as_a_worker_starts_does_not_keep_the_process(tmp_path: Path) -> None:
    """A thread that its pool does not know of ends all the same."""
    said = processes.run(
        """
import _thread, sys
from clinspan import Recognizer
recognizer = Recognizer.load(sys.argv[1], threads=2)
note = "She has pneumonia. " * 200
start = _thread.start_new_thread

def interrupted(*arguments):
    start(*arguments)
    _thread.start_new_thread = start
    raise KeyboardInterrupt

_thread.start_new_thread = interrupted
try:
    recognizer.recognize(note)
except KeyboardInterrupt:
    print("interrupted")
""",
        bundles.bundle(tmp_path / "bundle"),
        timeout=30,
    )
    assert said == "interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other things there")
def test_an_interrupt_ends_the_command_line_with_one_line(tmp_path: Path) -> None:
    """Exit code 130, and whole lines in the output."""
    notes = tmp_path / "notes.jsonl"
    line = json.dumps({"id": "a", "text": f"{MARKER} has pneumonia. " * 5})
    notes.write_text(f"{line}\n" * 20_000)
    command = [sys.executable, "-m", "clinspan", "extract", str(notes), "-f", "jsonl", "--threads", "2"]
    process = processes.start_interruptible(command)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == "clinspan: interrupted\n"
    assert json.loads(first)
    assert all(json.loads(line) for line in rest.splitlines())


def test_a_pipe_that_is_closed_early_starts_no_more_windows(
    small: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`break` in the middle of an endless stream leaves nothing running."""
    started = []
    inner = small._runner.model.logits

    def slow(content: object, **options: object) -> object:
        started.append(content)
        time.sleep(0.01)
        return inner(content, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(small._runner.model, "logits", slow)
    results = small.pipe(example_notes.SENTENCE for _ in range(10_000))
    next(results)
    results.close()  # type: ignore[attr-defined]
    time.sleep(0.05)
    soon = len(started)
    time.sleep(0.2)
    assert len(started) == soon < 30


def test_a_deadline_stops_a_note_that_is_still_being_tokenized(
    small: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Megabytes take seconds before the first window runs; those count too."""
    pieces = []
    inner = small._tokenizer._encode_piece

    def slow(*arguments: object) -> object:
        pieces.append(arguments)
        time.sleep(0.05)
        return inner(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(small._tokenizer, "_encode_piece", slow)
    with pytest.raises(DeadlineError):
        small.recognize("word " * 200_000, timeout=0.12)
    assert len(pieces) < 10


def test_a_note_past_the_limit_is_refused_and_not_cut(small: Recognizer) -> None:
    """The message names the note, its length, the limit and how to raise it, and holds no text."""
    with Recognizer.load(small.report().path, threads=1, options=LoadOptions(max_characters=100)) as careful:
        assert careful.recognize(MARKER.ljust(100)) == small.recognize(MARKER.ljust(100))
        with pytest.raises(
            InputError, match=r"note 0: it has 101 characters, and at most 100 .*LoadOptions\(max_characters="
        ) as caught:
            careful.recognize(MARKER.ljust(101))
        assert MARKER not in str(caught.value)


def test_the_limit_lets_five_megabytes_pass_and_can_be_raised(
    small: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default a note may be four times as long as the longest that is tested."""
    assert small._loaded.max_characters == MAX_CHARACTERS == 20_000_000
    with Recognizer.load(
        small.report().path, threads=1, options=LoadOptions(max_characters=30_000_000)
    ) as other:
        monkeypatch.setattr(other._tokenizer, "encode", lambda *_, **__: small._tokenizer.encode(""))
        assert other.recognize(" " * 25_000_000) == []


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_lets_nothing_pass_is_refused(small: Recognizer, limit: int) -> None:
    """It is a mistake, not a way to say no limit."""
    with pytest.raises(InputError, match="max_characters"):
        Recognizer.load(small.report().path, options=LoadOptions(max_characters=limit))


@pytest.mark.parametrize("bad", [7, None, "x" * 101], ids=["number", "none", "too-long"])
def test_a_bad_note_is_refused_in_its_turn(small: Recognizer, bad: object) -> None:
    """The notes before it are answered for, however far ahead it was drawn."""
    with Recognizer.load(small.report().path, threads=2, options=LoadOptions(max_characters=100)) as careful:
        results = careful.pipe(["She has pneumonia."] * 5 + [bad])
        found = [next(results) for _ in range(5)]
        assert found == [small.recognize("She has pneumonia.")] * 5
        with pytest.raises(InputError, match="note 5"):
            next(results)


def test_an_error_of_the_callers_own_iterable_comes_in_its_turn(small: Recognizer) -> None:
    """A file that cannot be read on costs none of the notes that were read."""

    def notes() -> Iterator[str]:
        yield from ["She has pneumonia."] * 5
        raise OSError("the disk is gone")

    found: list[list[Span]] = []
    with pytest.raises(OSError, match="the disk is gone"):
        found.extend(small.pipe(notes()))
    assert len(found) == 5


# Timeouts: a call stops between windows, and never gives half a note for a whole one.
LONG = example_notes.SENTENCE * 4000


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
    expected = recognizer.recognize(example_notes.SENTENCE)
    results = recognizer.pipe([example_notes.SENTENCE, example_notes.SENTENCE, LONG], timeout=1.0)
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
            yield example_notes.SENTENCE

    with pytest.raises(DeadlineError):
        for _ in recognizer.pipe(endless(), timeout=0.2):
            pass


def test_a_timeout_that_is_not_reached_changes_nothing(recognizer: Recognizer) -> None:
    """Spans and scores are the same with a generous timeout as without one."""
    assert recognizer.recognize(example_notes.SENTENCE * 40, timeout=600) == recognizer.recognize(
        example_notes.SENTENCE * 40
    )


@pytest.mark.parametrize("timeout", [0, -1, True, "2", float("nan")], ids=repr)
def test_refuses_what_is_no_time(recognizer: Recognizer, timeout: object) -> None:
    """A timeout is seconds above zero; anything else is said at once, before a note is drawn."""
    with pytest.raises(InputError, match="timeout is"):
        recognizer.pipe([], timeout=timeout)  # type: ignore[call-overload]


def test_is_an_error_of_both_families() -> None:
    """Callers may catch it as clinspan's or as Python's own TimeoutError."""
    assert issubclass(DeadlineError, ClinspanError)
    assert issubclass(DeadlineError, TimeoutError)
