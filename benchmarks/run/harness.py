"""How questions are asked: their options, a process for each answer, several rounds in turn, medians."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
Answer = dict[str, Any]
_OPTIONS: dict[str, dict[str, Any]] = {
    "bundle": {"required": True, "help": "bundle with int8 and fp32"},
    "checkpoint": {"required": True, "help": "the checkpoint that the bundle was exported from"},
    "notes": {"required": True, "help": "folder of .txt notes"},
    "work": {"required": True, "help": "folder for what is made, kept for the next time"},
    "threads": {"type": int, "default": 2, "help": "cores (default: %(default)s)"},
    "rounds": {"type": int, "default": 3, "help": "default: %(default)s"},
    "name": {"help": "name of the result file (default: the question's)"},
}


def options_parser(description: str | None, *options: str) -> argparse.ArgumentParser:
    """Make a parser with some of the options that questions share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option in options:
        parser.add_argument(f"--{option}", **_OPTIONS[option])
    return parser


def ask(
    measure: Callable[[Answer], Answer],
    settings: Mapping[str, Any],
    *,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Answer:
    """Call a function in a process of its own.

    Args:
        measure: a function of a module, from JSON to JSON.
        settings: what it is called with.
        python: the interpreter.
        environment: variables beside this process's own.

    Raises:
        RuntimeError: it failed; the message is the last line of what it wrote to standard error.
    """
    command = [python, "-m", "benchmarks.run.worker", measure.__module__, measure.__name__]
    paths = {
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "src", "export")),
        "BENCH_STARTED": str(time.time()),
    }
    done = subprocess.run(
        [*command, json.dumps(settings)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **paths, **(environment or {})},
        cwd=ROOT,
    )
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip() or "no reason given").splitlines()[-1])
    answer: Answer = json.loads(done.stdout.splitlines()[-1])
    return answer


def in_turn(
    names: Iterable[str], rounds: int, ask_one: Callable[[str], Answer | None]
) -> dict[str, list[Answer]]:
    """Ask about each name once a round, so that what drifts hits all alike; None leaves an answer out."""
    answers: dict[str, list[Answer]] = {name: [] for name in names}
    for number in range(rounds):
        for name, given in answers.items():
            print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
            answer = ask_one(name)
            if answer is not None:
                given.append(answer)
    return {name: given for name, given in answers.items() if given}


def medians(answers: Sequence[Mapping[str, Any]]) -> Answer:
    """Median of each figure over the rounds, and its range (least, most) where rounds differ."""
    merged: Answer = {}
    for key, value in answers[0].items():
        values = [answer[key] for answer in answers]
        if isinstance(value, Mapping):
            merged[key] = medians(values)
        else:
            merged[key] = median(values)
            if len(values) > 1 and min(values) != max(values):
                merged[f"{key}_range"] = [min(values), max(values)]
    return merged
