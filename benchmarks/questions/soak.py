"""A few minutes of abuse. Under each fault every answer is compared with the one that a quiet recognizer gave: none may be
wrong, none lost.

    python -m benchmarks soak [--bundle BUNDLE] [--seconds 25]

Eight threads on one recognizer; forked workers killed at random; `clinspan extract` killed at random and resumed; no room
left on the disk; bytes flipped in the bundle; a reader that hardly reads; a hundred recognizers opened and closed. About as
long each as `--seconds` says, each in a process of its own; about five minutes in all.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from benchmarks.run.harness import Answer, ask, options_parser
from benchmarks.run.notes import daily_notes
from benchmarks.run.record import save
from benchmarks.run.usage import resident
from clinspan import BundleError, Recognizer
from clinspan.bundle.loading import STARTER
from clinspan.text.decode import Span

_THREADS = 8
_WORKERS = 3
_LINES = 200
Answers = list[list[Span]]


def notes() -> list[str]:
    """Notes of every length: none at all, one message, a page, several pages."""
    days = daily_notes(12, seed=5)
    messages = [line for note in days[:3] for line in note.splitlines() if line]
    return ["", "  \n", *messages[:40], *days[:6], "\n\n".join(days)]


def threads(bundle: str, seconds: float, chance: random.Random) -> Answer:
    """Many threads share one recognizer, alone and in streams."""
    texts, recognizer = notes(), Recognizer.load(bundle)
    expected = [recognizer.recognize(text) for text in texts]
    before, until = resident(), time.monotonic() + seconds
    tally: dict[str, int] = {"notes": 0, "wrong": 0, "lost": 0}
    lock = threading.Lock()

    def work(seed: int) -> None:
        own = random.Random(seed)
        while time.monotonic() < until:
            picks = [own.randrange(len(texts)) for _ in range(own.choice((1, 1, 5)))]
            if len(picks) == 1:
                found = [recognizer.recognize(texts[picks[0]])]
            else:
                found = list(recognizer.pipe(texts[pick] for pick in picks))
            with lock:
                _count(tally, [expected[pick] for pick in picks], found)

    pool = [threading.Thread(target=work, args=(chance.random(),)) for _ in range(_THREADS)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return {**tally, "threads": _THREADS, "mb_at_start": before, "mb_at_end": resident()}


def killed_workers(bundle: str, seconds: float, chance: random.Random) -> Answer:
    """A parent that has used its recognizer forks workers; they are killed at random, and their note goes to another."""
    texts, recognizer = notes(), Recognizer.load(bundle)
    expected = [recognizer.recognize(text) for text in texts]
    busy: dict[Connection, tuple[Any, int]] = {}
    tally = {"notes": 0, "wrong": 0, "lost": 0, "workers_killed": 0}
    for _ in range(_WORKERS):
        _hire(busy, recognizer, texts, chance.randrange(len(texts)))
    until, before = time.monotonic() + seconds, resident()
    while time.monotonic() < until:
        if chance.random() < 0.05:
            victim, _ = busy[chance.choice(list(busy))]
            os.kill(victim.pid, signal.SIGKILL)
            tally["workers_killed"] += 1
        answered = wait(list(busy), timeout=60)
        ready = [end for end in busy if end in answered]
        tally["lost"] += not ready  # a worker that hangs never answers
        for end in ready:
            worker, pick = busy[end]
            try:
                found = end.recv()
            except (EOFError, ConnectionResetError):
                worker.join()
                del busy[end]
                _hire(busy, recognizer, texts, pick)
                continue
            _count(tally, [expected[pick]], [found])
            following = chance.randrange(len(texts))
            busy[end] = worker, following
            with suppress(BrokenPipeError):  # killed meanwhile: the next wait finds out
                end.send(following)
    for worker, _ in busy.values():
        worker.kill()
    return {**tally, "mb_at_start": before, "mb_at_end": resident()}


def _hire(
    busy: dict[Connection, tuple[Any, int]], recognizer: Recognizer, texts: Sequence[str], pick: int
) -> None:
    """Fork a worker that answers with the spans of the texts that it is told the numbers of, this one first."""
    forking = multiprocessing.get_context("fork")
    ours, theirs = forking.Pipe()

    def serve() -> None:
        while True:
            theirs.send(recognizer.recognize(texts[theirs.recv()]))

    worker = forking.Process(target=serve, daemon=True)
    worker.start()
    theirs.close()  # so that the end of the worker is the end of the pipe
    ours.send(pick)
    busy[ours] = worker, pick


def killed_runs(bundle: str, seconds: float, chance: random.Random) -> Answer:
    """`clinspan extract` is killed at any moment and resumed, until it is done; again and again."""
    return _runs(bundle, seconds, lambda command: _kill(command, chance))


def full_disk(bundle: str, seconds: float, chance: random.Random) -> Answer:
    """`clinspan extract` may write no further than to some byte, as on a full disk, and is resumed with more room."""
    room = [0]

    def run(command: Sequence[str]) -> int:
        room[0] += chance.randrange(1, 60_000)
        limit = (room[0], resource.RLIM_INFINITY)
        done = subprocess.run(
            command, stderr=subprocess.DEVNULL, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        )  # fmt: skip
        if done.returncode == 0:
            room[0] = 0
        return done.returncode

    return _runs(bundle, seconds, run)


def damaged_bundle(bundle: str, seconds: float, chance: random.Random) -> Answer:
    """One byte of the bundle is another: it is refused, or what changed means nothing."""
    texts = notes()[:20]
    recognizer = Recognizer.load(bundle)
    expected = [recognizer.recognize(text) for text in texts]
    tally = {"notes": 0, "wrong": 0, "lost": 0, "bytes_flipped": 0, "refused": 0}
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as work:
        copy = Path(shutil.copytree(bundle, Path(work, "bundle")))
        files = sorted(
            path for path in copy.rglob("*") if path.is_file() and path.suffix in (".json", ".onnx")
        )
        while time.monotonic() < until:
            path = chance.choice(files)
            content = path.read_bytes()
            damage = bytearray(content)
            damage[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.write_bytes(damage)
            tally["bytes_flipped"] += 1
            try:
                with Recognizer.load(copy) as damaged:
                    _count(tally, expected, [damaged.recognize(text) for text in texts])
            except BundleError:
                tally["refused"] += 1
            path.write_bytes(content)
    return tally


def slow_reader(bundle: str, seconds: float, chance: random.Random) -> Answer:
    """Read the output of `clinspan extract` a little at a time, with long pauses."""
    with tempfile.TemporaryDirectory() as work:
        source, expected = _reference(bundle, Path(work))
        found, peak, before, until = b"", 0.0, 0.0, time.monotonic() + seconds
        with subprocess.Popen(_extract(bundle, source), stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            while piece := os.read(run.stdout.fileno(), 16_384):
                found += piece
                peak = max(peak, resident(run.pid))
                before = before or peak
                if time.monotonic() < until:
                    time.sleep(chance.uniform(0, 0.4))
    return {**_compared(expected, found), "mb_at_start": before, "mb_at_end": peak}


def reopened(bundle: str, seconds: float, chance: random.Random) -> Answer:
    """Recognizers are opened, used and closed: memory, threads and open files stay what they were."""
    text = notes()[30]
    with Recognizer.load(bundle) as recognizer:
        expected = recognizer.recognize(text)
    tally = {"notes": 0, "wrong": 0, "lost": 0, "opened": 0}
    held = {f"{name}_at_start": figure() for name, figure in _HELD.items()}
    until = time.monotonic() + seconds
    while time.monotonic() < until or tally["opened"] < 100:
        with Recognizer.load(bundle) as recognizer:
            _count(tally, [expected], [recognizer.recognize(text)])
        tally["opened"] += 1
    gc.collect()
    return {**tally, **held, **{f"{name}_at_end": figure() for name, figure in _HELD.items()}}


def _runs(bundle: str, seconds: float, run: Callable[[Sequence[str]], int]) -> Answer:
    """Run an extraction over and over until it succeeds, each time resumed, and compare what it wrote."""
    tally = {"notes": 0, "wrong": 0, "lost": 0, "runs_ended": 0, "runs_completed": 0}
    with tempfile.TemporaryDirectory() as work:
        source, expected = _reference(bundle, Path(work))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            out = Path(work, "out.jsonl")
            command = [*_extract(bundle, source), "-o", str(out), "--resume"]
            while run(command) != 0:
                tally["runs_ended"] += 1
            tally["runs_completed"] += 1
            for name, value in _compared(expected, out.read_bytes()).items():
                tally[name] += value
            out.unlink()
    return tally


def _reference(bundle: str, work: Path) -> tuple[Path, bytes]:
    """A file of notes, and what a quiet run writes about them."""
    texts, source = [text for text in notes() if text.strip()][:-1], work / "notes.jsonl"
    rows = ({"id": f"n{number}", "text": texts[number % len(texts)]} for number in range(_LINES))
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return source, subprocess.run(_extract(bundle, source), stdout=subprocess.PIPE, check=True).stdout


def _extract(bundle: str, source: Path) -> list[str]:
    return [sys.executable, "-m", "clinspan", "extract", str(source), "--model", bundle, "-f", "jsonl"]


def _kill(command: Sequence[str], chance: random.Random) -> int:
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
        try:
            return run.wait(chance.uniform(0.3, 4.0))
        except subprocess.TimeoutExpired:
            run.kill()
            return run.wait()


def _compared(expected: bytes, found: bytes) -> dict[str, int]:
    rows, lines = expected.splitlines(), found.splitlines()
    wrong = sum(row != line for row, line in zip(rows, lines, strict=False)) + max(0, len(lines) - len(rows))
    return {"notes": len(lines), "wrong": wrong, "lost": max(0, len(rows) - len(lines))}


def _count(tally: dict[str, int], expected: Answers, found: Answers) -> None:
    tally["notes"] += len(found)
    tally["wrong"] += sum(left != right for left, right in zip(expected, found, strict=False))
    tally["lost"] += len(expected) - len(found)


_HELD: dict[str, Callable[[], float]] = {
    "mb": resident,
    "threads": threading.active_count,
    "open_files": lambda: len(list(Path("/proc/self/fd").iterdir())),
}
PARTS = {
    part.__name__: part
    for part in (threads, killed_workers, killed_runs, full_disk, damaged_bundle, slow_reader, reopened)
}


def main(arguments: Sequence[str]) -> int:
    """Run every part; returns 1 where an answer was wrong or lost."""
    parser = options_parser(__doc__, "name")
    parser.add_argument("--bundle", default=str(STARTER), help="default: the starter")
    parser.add_argument("--seconds", type=float, default=25.0, help="about how long each part takes")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and places of the faults")
    parser.add_argument("--parts", nargs="*", choices=tuple(PARTS), default=tuple(PARTS))
    options = parser.parse_args(arguments)
    rows = []
    for part in options.parts:
        print(part, file=sys.stderr)
        rows.append({"part": part, **ask(run_part, {**vars(options), "part": part})})
    summary = {key: sum(row[key] for row in rows) for key in ("notes", "wrong", "lost")}
    settings = {name: getattr(options, name) for name in ("bundle", "seconds", "seed")}
    save("soak", rows, settings, summary=summary, name=options.name)
    return 1 if summary["wrong"] or summary["lost"] else 0


def run_part(settings: Answer) -> Answer:
    """Make one kind of fault for a while."""
    chance = random.Random(settings["seed"])
    return PARTS[settings["part"]](settings["bundle"], settings["seconds"], chance)
