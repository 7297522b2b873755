"""Time and peak memory against the length of a note, and memory against the number of notes.

    python -m benchmarks growth --bundle BUNDLE --notes DIR                        4 minutes for a BERT-base
    python -m benchmarks growth --notes DIR --name growth_starter --longest 5000000     3 minutes, the bundled starter

Every length reads the same text the same number of times over: notes joined, cut into pieces of that length, joined over
and over for the longest ones. So what differs is the length alone. Each length has a process of its own, lengths go
by turns, and what one core or two make of it is in CPU seconds beside the time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.run import usage
from benchmarks.run.harness import Answer, ask, in_turn, medians, options_parser
from benchmarks.run.notes import read_notes
from benchmarks.run.record import save

LENGTHS = (1_000, 10_000, 100_000, 1_000_000, 5_000_000)
MANY = 10_000
# Where linear growth is asked for: below, the shares of a few windows and the last of them show.
LINEAR_FROM = 10_000


def main(arguments: Sequence[str]) -> None:
    """Measure every length, then many notes."""
    parser = options_parser(__doc__, "notes", "threads", "rounds", "name")
    parser.add_argument("--bundle", help="default: the starter")
    parser.add_argument(
        "--longest", type=int, default=1_000_000, choices=LENGTHS, help="characters of the longest note"
    )
    parser.add_argument("--many", type=int, default=MANY, help="short notes in one stream")
    parser.set_defaults(rounds=1)
    options = parser.parse_args(arguments)
    lengths = {str(length): length for length in LENGTHS if length <= options.longest}
    answers = in_turn(
        lengths, options.rounds, lambda name: ask(read_length, {**vars(options), "length": lengths[name]})
    )
    rows = [{"characters": lengths[name], **medians(given)} for name, given in answers.items()]
    settings = {
        "bundle": options.bundle or "starter",
        "notes": Path(options.notes).name,
        "threads": options.threads,
        "rounds": options.rounds,
        "linear_from": LINEAR_FROM,
    }
    summary = {"speed_farthest_from_mean": _farthest(rows), **ask(read_many, vars(options))}
    save("growth", rows, settings, summary=summary, name=options.name)


def _farthest(rows: Sequence[Answer]) -> float | None:
    """How far the speed of a length is from the mean of all that are long enough, as a share of it."""
    speeds = [row["kchars_per_s"] for row in rows if row["characters"] >= LINEAR_FROM]
    return max(abs(speed * len(speeds) / sum(speeds) - 1) for speed in speeds) if speeds else None


def _load(settings: Answer) -> tuple[Any, str]:
    from clinspan import Recognizer

    notes = read_notes(settings["notes"])
    recognizer = Recognizer.load(settings["bundle"], precision="int8", threads=settings["threads"])
    recognizer.recognize(notes[0])
    return recognizer, "\n\n".join(notes)


def read_length(settings: Answer) -> Answer:
    """Read the text in notes of one length; for lengths beyond the text's, one note of copies."""
    recognizer, text = _load(settings)
    length = settings["length"]
    text = (text * (length // len(text) + 1))[: max(length, len(text) // length * length)]
    pieces = [text[start : start + length] for start in range(0, len(text), length)]
    for piece in pieces[:2]:
        recognizer.recognize(piece[:10_000])
    before = usage.peak()
    began, busy = time.perf_counter(), time.process_time()
    found = sum(len(recognizer.recognize(piece)) for piece in pieces)
    took, busy = time.perf_counter() - began, time.process_time() - busy
    return {
        "kchars_per_s": len(text) / took / 1000,
        "cpu_s_per_million_chars": busy / len(text) * 1e6,
        "note_s": took / len(pieces),
        "spans_per_kchars": found / len(text) * 1000,
        "peak_mb": usage.peak(),
        "peak_mb_more": usage.peak() - before,
    }


def read_many(settings: Answer) -> Answer:
    """Watch memory while a stream of short notes, all different, is read."""
    recognizer, text = _load(settings)
    words, many = text.split(), settings["many"]
    notes = (f"{number}: {' '.join(words[number % 5000 :][:8])}." for number in range(many))
    marks = {many * part // 10 for part in (1, 2, 5, 10)}
    passed = []
    began = time.perf_counter()
    for number, _ in enumerate(recognizer.pipe(notes), start=1):
        if number in marks:
            passed.append({"notes": number, "mb": usage.resident(), "s": time.perf_counter() - began})
    return {"many_notes": passed, "many_notes_peak_mb": usage.peak()}
