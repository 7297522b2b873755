"""The measurements of one variant, in a process that does nothing else. Times are in seconds unless stated, memory in MB."""

from __future__ import annotations

import os
import time
import warnings
from typing import Any

from benchmarks import peers
from benchmarks.run import usage
from benchmarks.run.notes import SHORT, read_notes

Answer = dict[str, Any]


def measure(settings: Answer) -> Answer:
    """Answer one question about one variant.

    Args:
        settings: `question`, `variant`, `bundle`, `checkpoint`, `notes` and `threads`; `every`, to read only
            every n-th note; and the options of the question.
    """
    started = float(os.environ["BENCH_STARTED"])
    notes = read_notes(settings["notes"], settings.get("every", 1))
    warnings.simplefilter("ignore")
    where = {name: settings[name] for name in ("bundle", "checkpoint", "threads")}
    run = peers.load(settings["variant"], **where)
    first = run([SHORT])
    answer: Answer = {"first_spans_s": time.time() - started, "entities": len(first[0])}
    answer |= QUESTIONS[settings["question"]](run, notes, settings)
    answer["peak_mb"] = usage.peak()
    return answer


def throughput(run: peers.Run, notes: list[str], settings: Answer) -> Answer:
    """Read all notes, after a warm-up on one."""
    run(notes[:1])
    began = time.perf_counter()
    found = run(notes)
    took = time.perf_counter() - began
    return {"kchars_per_s": sum(map(len, notes)) / took / 1000, "spans": sum(map(len, found))}


def latency(run: peers.Run, notes: list[str], settings: Answer) -> Answer:
    """Read one text at a time: a short message, a typical note, a long one."""
    by_length = sorted(notes, key=len)
    texts = {"short": SHORT, "typical": by_length[len(notes) // 2], "long": by_length[-1]}
    answer: Answer = {}
    for name, text in texts.items():
        calls = 5 * settings["calls"] if name == "short" else settings["calls"]
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
            **{f"p{p}_ms": times[min(len(times) - 1, len(times) * p // 100)] for p in (50, 95, 99)},
        }
    return answer


def coldstart(run: peers.Run, notes: list[str], settings: Answer) -> Answer:
    """Do nothing more: the time to the first spans, from the start of the process, is always measured."""
    return {}


def memory(run: peers.Run, notes: list[str], settings: Answer) -> Answer:
    """Read a note, all notes, many short ones, and one very long one."""
    answer: Answer = {"mb_after_one_note": usage.resident()}
    run(notes)
    answer["mb_after_all_notes"] = usage.resident()
    for _ in range(settings["repeats"]):
        run([SHORT] * 1000)
    answer["mb_after_many_short_notes"] = usage.resident()
    text = "\n\n".join(notes)
    text = (text * (settings["long_characters"] // len(text) + 1))[: settings["long_characters"]]
    before = usage.peak()
    began = time.perf_counter()
    run([text])
    answer["long_note_s"] = time.perf_counter() - began
    answer["long_note_peak_mb_more"] = usage.peak() - before
    return answer


QUESTIONS = {"throughput": throughput, "latency": latency, "coldstart": coldstart, "memory": memory}
