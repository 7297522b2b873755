"""Runs variants in turn, each in a process of its own, several rounds, and puts the medians side by side."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.record import save

OURS = "clinspan int8"
ROOT = Path(__file__).parent.parent


def arguments(description: str) -> argparse.ArgumentParser:
    """Options that every question takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", required=True, help="bundle with int8 and fp32")
    parser.add_argument("--checkpoint", required=True, help="the checkpoint it was exported from")
    parser.add_argument("--notes", required=True, help="folder of .txt notes")
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        default=[2],
        help="cores; several where the question is asked for each",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variants", nargs="*", help="names from benchmarks/peers.py; all otherwise")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="PEER=PATH",
        help="interpreter for variants whose name begins with PEER, where dependencies clash",
    )
    parser.add_argument("--name", help="name of the result; the question's otherwise")
    return parser


def compare(
    question: str, options: argparse.Namespace, *, floor: bool = False, threads: int = 0, **extra: Any
) -> Mapping[str, Any]:
    """Ask one question of all variants in turn, several rounds, and save the medians.

    Args:
        question: of `benchmarks.worker`.
        options: from `arguments`.
        floor: ask it of bare onnxruntime too.
        threads: cores; 0 for the first of the options'. On others, only each library at its best is asked.
        extra: options of the question.
    """
    from benchmarks.peers import CORE, FLOOR, MADE_FIRST, PEERS

    threads = threads or options.threads[0]
    variants = [*(options.variants or PEERS), *([FLOOR] if floor else [])]
    if threads != options.threads[0]:
        variants = [name for name in variants if name in CORE]
    rounds: dict[str, list[dict[str, Any]]] = {variant: [] for variant in variants}
    for variant in variants:
        if variant.startswith(MADE_FIRST):
            ask("coldstart", variant, options, threads, {})
    for number in range(options.rounds):
        for variant in variants:
            print(f"{question}, {threads} threads, round {number + 1}: {variant}", file=sys.stderr)
            answer = ask(question, variant, options, threads, extra)
            if answer is not None:
                rounds[variant].append(answer)
    results = {variant: medians(answers) for variant, answers in rounds.items() if answers}
    name = options.name or question
    save(
        name if threads == options.threads[0] else f"{name}_threads_{threads}",
        results,
        bundle=Path(options.bundle).name,
        notes=Path(options.notes).name,
        threads=threads,
        rounds=options.rounds,
        **extra,
    )
    return results


def ask(
    question: str, variant: str, options: argparse.Namespace, threads: int, extra: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The answer of one variant in a process of its own; None, and the reason on stderr, where it fails."""
    pythons = dict(pair.split("=", 1) for pair in options.python)
    python = next((path for peer, path in pythons.items() if variant.startswith(peer)), sys.executable)
    settings = {
        "bundle": options.bundle,
        "checkpoint": options.checkpoint,
        "notes": options.notes,
        "threads": threads,
        **extra,
    }
    command = [python, "-m", "benchmarks.worker", question, variant, json.dumps(settings)]
    path = os.pathsep.join(str(ROOT / part) for part in ("", "src"))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": str(threads),
        "BENCH_STARTED": str(time.time()),
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason given"
        print(f"  left out: {reason}", file=sys.stderr)
        return None
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def medians(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Median of each figure over the rounds, and its spread (least, most) where rounds differ."""
    merged: dict[str, Any] = {}
    for key, value in answers[0].items():
        values = [answer[key] for answer in answers]
        if isinstance(value, Mapping):
            merged[key] = medians(values)
        else:
            merged[key] = median(values)
            if len(values) > 1 and min(values) != max(values):
                merged[f"{key}, spread"] = [min(values), max(values)]
    return merged
