"""One variant, one question, one process: measures and prints a JSON line.

    python -m benchmarks.worker QUESTION VARIANT OPTIONS_AS_JSON

Run by `benchmarks.harness`; times are seconds, memory is MB.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks import usage

SHORT = (
    "Patient presents with chest pain and shortness of breath for two days. ECG and troponin were ordered; "
    "aspirin 325 mg was given. No fever. Plan: admit to telemetry, serial troponins and an echo tomorrow."
)


def main() -> None:
    """Answer one question about one variant."""
    started = float(os.environ.get("BENCH_STARTED", time.time()))
    question, variant, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    paths = sorted(Path(options["notes"]).glob("*.txt"))[:: options.get("every", 1)]
    notes = [path.read_text(encoding="utf-8") for path in paths]
    warnings.simplefilter("ignore")
    from benchmarks import peers

    run = peers.load(
        variant, bundle=options["bundle"], checkpoint=options["checkpoint"], threads=options["threads"]
    )
    first = run([SHORT])
    answer: dict[str, Any] = {"seconds to first spans": time.time() - started, "entities": len(first[0])}
    answer |= QUESTIONS[question](run, notes, options)
    answer["peak MB"] = usage.peak()
    print(json.dumps(answer))


def throughput(run: Any, notes: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """Thousand characters a second over all notes, after a warm-up on one."""
    run(notes[:1])
    began = time.perf_counter()
    found = run(notes)
    took = time.perf_counter() - began
    return {"kchars/s": sum(map(len, notes)) / took / 1000, "spans": sum(map(len, found))}


def latency(run: Any, notes: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds for one text at a time: a short message, a typical note, a long one."""
    by_length = sorted(notes, key=len)
    texts = {"short": SHORT, "typical": by_length[len(notes) // 2], "long": by_length[-1]}
    answer: dict[str, Any] = {}
    for name, text in texts.items():
        calls = options.get("calls", 40 if name == "short" else 8)
        for _ in range(3):
            run([text])
        time.sleep(1)  # whatever loads in the background after the first calls is done by now
        times = []
        for _ in range(calls):
            began = time.perf_counter()
            run([text])
            times.append((time.perf_counter() - began) * 1000)
        times.sort()
        answer[name] = {
            "characters": len(text),
            **{f"p{p} ms": times[min(len(times) - 1, len(times) * p // 100)] for p in (50, 95, 99)},
        }
    return answer


def coldstart(run: Any, notes: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """Nothing more: the time to the first spans, from the start of the process, is always measured."""
    return {}


def memory(run: Any, notes: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """MB in use after the first note, after all notes, after many, and for one very long note."""
    answer: dict[str, Any] = {"MB after one note": usage.resident()}
    run(notes)
    answer["MB after all notes"] = usage.resident()
    for _ in range(options.get("repeats", 0)):
        run([SHORT] * 1000)
    answer["MB after many short notes"] = usage.resident()
    if options.get("long_characters"):
        text = "\n\n".join(notes)
        text = (text * (options["long_characters"] // len(text) + 1))[: options["long_characters"]]
        before = usage.peak()
        began = time.perf_counter()
        run([text])
        answer["seconds for the long note"] = time.perf_counter() - began
        answer["peak MB more for the long note"] = usage.peak() - before
    return answer


QUESTIONS = {"throughput": throughput, "latency": latency, "coldstart": coldstart, "memory": memory}

if __name__ == "__main__":
    main()
