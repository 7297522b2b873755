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
    parser.add_argument("--threads", type=int, default=2)
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


def compare(question: str, options: argparse.Namespace, **extra: Any) -> Mapping[str, Any]:
    """Ask one question of all variants and save the answers, with ratios to clinspan int8."""
    from benchmarks.peers import VARIANTS

    variants = options.variants or list(VARIANTS)
    rounds: dict[str, list[dict[str, Any]]] = {variant: [] for variant in variants}
    for number in range(options.rounds):
        for variant in variants:
            print(f"round {number + 1}: {variant}", file=sys.stderr)
            answer = _ask(question, variant, options, extra)
            if answer is not None:
                rounds[variant].append(answer)
    results = {variant: _medians(answers) for variant, answers in rounds.items() if answers}
    save(
        options.name or question,
        results,
        bundle=Path(options.bundle).name,
        notes=Path(options.notes).name,
        threads=options.threads,
        rounds=options.rounds,
        **extra,
    )
    return results


def _ask(
    question: str, variant: str, options: argparse.Namespace, extra: Mapping[str, Any]
) -> dict[str, Any] | None:
    pythons = dict(pair.split("=", 1) for pair in options.python)
    python = next((path for peer, path in pythons.items() if variant.startswith(peer)), sys.executable)
    settings = {
        "bundle": options.bundle,
        "checkpoint": options.checkpoint,
        "notes": options.notes,
        "threads": options.threads,
        **extra,
    }
    command = [python, "-m", "benchmarks.worker", question, variant, json.dumps(settings)]
    path = os.pathsep.join(str(ROOT / part) for part in ("", "src"))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": str(options.threads),
        "BENCH_STARTED": str(time.time()),
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason given"
        print(f"  left out: {reason}", file=sys.stderr)
        return None
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _medians(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Median of each figure over the rounds, and its spread (least, most) where rounds differ."""
    merged: dict[str, Any] = {}
    for key, value in answers[0].items():
        values = [answer[key] for answer in answers]
        if isinstance(value, Mapping):
            merged[key] = _medians(values)
        else:
            merged[key] = median(values)
            if len(values) > 1 and min(values) != max(values):
                merged[f"{key}, spread"] = [min(values), max(values)]
    return merged
