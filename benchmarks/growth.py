"""Time and peak memory against the length of a note, and memory against the number of notes.

    python -m benchmarks.growth --bundle BUNDLE --notes DIR                        4 minutes for a BERT-base
    python -m benchmarks.growth --notes DIR --name growth_starter --longest 5000000     3 minutes, the bundled starter

Every length reads the same text the same number of times over: notes joined, cut into pieces of that length, joined over
and over for the longest ones. So what differs is the length alone. Each length has a process of its own, lengths go
by turns, and what one core or two make of it is in CPU seconds beside the time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import usage
from benchmarks.harness import ROOT, medians
from benchmarks.record import save

LENGTHS = (1_000, 10_000, 100_000, 1_000_000, 5_000_000)
MANY = 10_000
# Where linear growth is asked for: below, the shares of a few windows and the last of them show.
LINEAR_FROM = 10_000


def main() -> None:
    """Measure every length, then many notes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="the starter otherwise")
    parser.add_argument("--notes", required=True, help="folder of .txt notes")
    parser.add_argument(
        "--longest", type=int, default=1_000_000, choices=LENGTHS[1:], help="characters of the longest note"
    )
    parser.add_argument("--many", type=int, default=MANY, help="short notes in one stream")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--name", default="growth")
    parser.add_argument("--step", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step is not None:
        print(json.dumps(_many(options) if options.step == 0 else _length(options)))
        return
    lengths = [length for length in LENGTHS if length <= options.longest]
    rounds: dict[str, list[dict[str, Any]]] = {str(length): [] for length in lengths}
    for number in range(options.rounds):
        for length in lengths:
            print(f"round {number + 1}: {length} characters", file=sys.stderr)
            rounds[str(length)].append(_ask(length))
    by_length = {length: medians(answers) for length, answers in rounds.items()}
    print(f"{options.many} notes", file=sys.stderr)
    results = {
        "by length": by_length,
        f"speed from {LINEAR_FROM} characters on, farthest from its mean": _deviation(by_length),
        "many notes": _ask(0),
    }
    save(
        options.name,
        results,
        bundle=Path(options.bundle).name if options.bundle else "starter",
        notes=Path(options.notes).name,
        threads=options.threads,
        rounds=options.rounds,
    )


def _ask(step: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.growth", *sys.argv[1:], "--step", str(step)]
    path = os.pathsep.join(str(ROOT / part) for part in ("", "src"))
    done = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _deviation(by_length: dict[str, dict[str, Any]]) -> float:
    speeds = [row["kchars/s"] for length, row in by_length.items() if int(length) >= LINEAR_FROM]
    mean = sum(speeds) / len(speeds)
    return max(abs(speed / mean - 1) for speed in speeds)


def _load(options: argparse.Namespace) -> tuple[Any, str]:
    from clinspan import Recognizer

    notes = [p.read_text(encoding="utf-8") for p in sorted(Path(options.notes).glob("*.txt"))]
    recognizer = Recognizer.load(options.bundle, precision="int8", threads=options.threads)
    recognizer.recognize(notes[0])
    return recognizer, "\n\n".join(notes)


def _length(options: argparse.Namespace) -> dict[str, Any]:
    """Read the text in notes of one length; for lengths beyond the text's, one note of copies."""
    recognizer, text = _load(options)
    length = options.step
    text = (text * (length // len(text) + 1))[: max(length, len(text) // length * length)]
    pieces = [text[start : start + length] for start in range(0, len(text), length)]
    for piece in pieces[:2]:
        recognizer.recognize(piece[:10_000])
    before = usage.peak()
    began, busy = time.perf_counter(), time.process_time()
    found = sum(len(recognizer.recognize(piece)) for piece in pieces)
    took, busy = time.perf_counter() - began, time.process_time() - busy
    return {
        "kchars/s": len(text) / took / 1000,
        "CPU s a million characters": busy / len(text) * 1e6,
        "seconds a note": took / len(pieces),
        "spans a thousand characters": found / len(text) * 1000,
        "peak MB": usage.peak(),
        "peak MB more than before": usage.peak() - before,
    }


def _many(options: argparse.Namespace) -> dict[str, Any]:
    """MB in use while a stream of short notes, all different, is read."""
    recognizer, text = _load(options)
    words = text.split()
    notes = (f"{number}: {' '.join(words[number % 5000 :][:8])}." for number in range(options.many))
    marks = {0, *(options.many * part // 10 for part in (1, 2, 5, 10))}
    answer: dict[str, Any] = {}
    began = time.perf_counter()
    for number, _ in enumerate(recognizer.pipe(notes), start=1):
        if number in marks:
            answer[f"MB after {number}"] = usage.resident()
            answer[f"seconds after {number}"] = time.perf_counter() - began
    answer["peak MB"] = usage.peak()
    return answer


if __name__ == "__main__":
    main()
