"""Time outside `session.run`: tokenizing, planning windows, reading logits, making spans; long notes and short messages.

    python -m benchmarks.overhead --bundle BUNDLE --notes DIR          about 1 minute for BERT-base

One thread, CPU time of that thread, so that other work on the machine hardly shows. Only this benchmark measures: it
wraps the parts, the library carries no timers. The parts add up to the whole but for what wrapping costs, given as "rest".
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import clinspan.pipeline
import clinspan.recognizer
from benchmarks.record import save
from benchmarks.worker import SHORT
from clinspan import Recognizer

RUN = "session.run"
CALLS = 60


class Timed:
    """CPU seconds of this thread that each wrapped part took, parts inside parts counted once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = 0.0

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, with its time counted under a name."""

        def timed(*args: Any, **options: Any) -> Any:
            outer, self._inside = self._inside, 0.0
            began = time.thread_time()
            try:
                return call(*args, **options)
            finally:
                took = time.thread_time() - began
                self.seconds[name] = self.seconds.get(name, 0.0) + took - self._inside
                self._inside = outer + took

        return timed


class _Proxy:
    """An onnxruntime session whose `run` is timed."""

    def __init__(self, session: Any, timed: Timed) -> None:
        self._session = session
        self.run = timed.wrap(RUN, session.run)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


@contextmanager
def measured(recognizer: Recognizer) -> Iterator[Timed]:
    """Wrap the parts of a recognizer, and put everything back afterwards."""
    timed = Timed()
    session = recognizer._model.session
    places: list[tuple[Any, str, str]] = [
        (recognizer._tokenizer, "encode", "tokenizer"),
        (clinspan.recognizer, "plan", "windows"),
        (clinspan.recognizer, "window_words", "words from logits"),
        (clinspan.recognizer, "spans", "spans from words"),
        (session, "run", "around session.run: feed, checks"),
    ]
    before = [(place, name, getattr(place, name)) for place, name, _ in places]
    inner = session._session
    session._session = _Proxy(inner, timed)
    for place, name, label in places:
        setattr(place, name, timed.wrap(label, getattr(place, name)))
    try:
        yield timed
    finally:
        session._session = inner
        for place, name, call in before:
            setattr(place, name, call)


def shares(recognizer: Recognizer, texts: list[str], calls: int) -> dict[str, Any]:
    """Median share outside `session.run`, and the mean share of each part, over calls of one text each."""
    outside: list[float] = []
    parts: dict[str, float] = {}
    total = 0.0
    plain = []
    for number in range(calls):
        text = texts[number % len(texts)]
        began = time.thread_time()
        recognizer.recognize(text)
        plain.append(time.thread_time() - began)
        with measured(recognizer) as timed:
            began = time.thread_time()
            recognizer.recognize(text)
            took = time.thread_time() - began
        outside.append(1 - timed.seconds[RUN] / took)
        total += took
        for name, seconds in timed.seconds.items():
            parts[name] = parts.get(name, 0.0) + seconds
    parts["rest"] = total - sum(parts.values())
    return {
        "share outside session.run": median(outside),
        "CPU ms a text": median(plain) * 1000,
        "parts": {name: seconds / total for name, seconds in parts.items()},
    }


def main() -> None:
    """Measure short messages and the longest notes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="the starter otherwise")
    parser.add_argument("--notes", required=True, help="folder of .txt notes")
    parser.add_argument("--calls", type=int, default=CALLS, help="of short messages; of long notes a fourth")
    parser.add_argument("--name", default="overhead")
    options = parser.parse_args()
    notes = sorted((p.read_text(encoding="utf-8") for p in Path(options.notes).glob("*.txt")), key=len)
    recognizer = Recognizer.load(options.bundle, precision="int8", threads=1)
    for text in (SHORT, notes[-1]):
        recognizer.recognize(text)
    results = {
        "short messages": shares(recognizer, [SHORT], options.calls),
        "long notes": shares(recognizer, notes[-10:], max(1, options.calls // 4)),
    }
    save(
        options.name,
        results,
        bundle=Path(options.bundle).name if options.bundle else "starter",
        notes=Path(options.notes).name,
        threads=1,
        calls=options.calls,
    )


if __name__ == "__main__":
    main()
