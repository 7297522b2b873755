"""On an NVIDIA GPU: clinspan fp16 beside the torch fp16 and bf16 pipelines with batching, on the same GPU and texts.

    python -m benchmarks.gpu --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR        4 minutes
    python -m benchmarks.gpu ... --device cpu --copies 1                                tries it without a GPU, fp32

BUNDLE needs fp16 and fp32 (`clinspan-export CHECKPOINT BUNDLE` keeps fp32, `--precision fp16` adds the other). Install
`clinspan[gpu]` and a torch with CUDA; onnxruntime and onnxruntime-gpu cannot share an environment. Each variant has a process
of its own. Texts are the notes many times over, since a GPU reads forty in a blink. Results say how far logits and spans are
from clinspan's fp32 on CPU: bit-identity is promised there alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT, medians
from benchmarks.record import save

Find = Callable[[Sequence[str]], list[set[tuple[str, int, int]]]]
BATCHES = (1, 8, 32, 128)
VARIANTS = (
    "clinspan fp16",
    "clinspan fp32",
    *(f"transformers {kind}, batch {batch}" for kind in ("fp16", "bf16") for batch in BATCHES),
)


def main() -> None:
    """Compare all variants, round by round."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--notes", required=True, help="folder of .txt notes")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--copies", type=int, default=20, help="times that the notes are read")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variants", nargs="*", default=VARIANTS)
    parser.add_argument("--name", default="gpu")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(_measure(options, options.step)))
        return
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in options.variants}
    for number in range(options.rounds):
        for name, answers in rounds.items():
            print(f"round {number + 1}: {name}", file=sys.stderr)
            answers.append(_ask(name))
    ours = [row["kchars/s"] for row in next(iter(rounds.values()))]
    results = {}
    for name, answers in rounds.items():
        ratios = sorted(a / row["kchars/s"] for a, row in zip(ours, answers, strict=True))
        results[name] = {**medians(answers), "clinspan is faster by": ratios[len(ratios) // 2]}
    save(
        options.name,
        results,
        bundle=Path(options.bundle).name,
        notes=Path(options.notes).name,
        device=_device_name(options.device),
        copies=options.copies,
        rounds=options.rounds,
    )


def _ask(variant: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.gpu", *sys.argv[1:], "--step", variant]
    path = os.pathsep.join(str(ROOT / part) for part in ("", "src"))
    done = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _device_name(device: str) -> str:
    if device == "cpu":
        return "cpu"
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _measure(options: argparse.Namespace, variant: str) -> dict[str, Any]:
    notes = [p.read_text(encoding="utf-8") for p in sorted(Path(options.notes).glob("*.txt"))]
    began = time.perf_counter()
    find = _clinspan(options, variant) if variant.startswith("clinspan") else _pipeline(options, variant)
    find(notes[:1])
    answer: dict[str, Any] = {"seconds to first spans": time.perf_counter() - began}
    find(notes)  # memory pools and kernel choices settle on the shapes to come
    began = time.perf_counter()
    found = find(notes * options.copies)
    took = time.perf_counter() - began
    answer["kchars/s"] = options.copies * sum(map(len, notes)) / took / 1000
    times = []
    for _ in range(20):
        began = time.perf_counter()
        find(notes[:1])
        times.append(time.perf_counter() - began)
    answer["ms for one note alone"] = sorted(times)[10] * 1000
    answer["spans"] = sum(map(len, found[: len(notes)]))
    if variant.startswith("clinspan"):
        answer |= _difference(options, variant, notes[:10], found[:10])
    return answer


def _precision(options: argparse.Namespace, variant: str) -> str:
    # onnxruntime runs fp16 on CPU through casts, which says nothing: fp32 stands in where the GPU does.
    return "fp32" if options.device == "cpu" else variant.rpartition(" ")[2]


def _clinspan(options: argparse.Namespace, variant: str) -> Find:
    from clinspan import Recognizer
    from clinspan.engine.session import Device, _run_bound

    recognizer = Recognizer.load(
        options.bundle, device=options.device, precision=_precision(options, variant)
    )
    if options.device == "cpu":  # what a GPU runs: batches, bound inputs
        recognizer._batch_tokens = 16_384
        model = recognizer._model.session
        model._run = lambda session, feed: _run_bound(  # type: ignore[method-assign]
            model._ort, session, feed, "logits", Device("cpu")
        )
    return lambda texts: [{(s.label, s.start, s.end) for s in spans} for spans in recognizer.pipe(texts)]


def _pipeline(options: argparse.Namespace, variant: str) -> Find:
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    kind, batch = variant.removeprefix("transformers ").split(", batch ")
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[kind]
    model = AutoModelForTokenClassification.from_pretrained(
        options.checkpoint, dtype=torch.float32 if options.device == "cpu" else dtype
    ).eval()
    ner = pipeline(
        "token-classification",
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(options.checkpoint, model_max_length=512),
        aggregation_strategy="first",
        stride=32,
        batch_size=int(batch),
        device=options.device,
    )
    return lambda texts: [
        {(e["entity_group"], e["start"], e["end"]) for e in found} for found in ner(list(texts))
    ]


def _difference(
    options: argparse.Namespace, variant: str, notes: Sequence[str], found: Sequence[set[Any]]
) -> dict[str, float]:
    """How far logits and spans are from clinspan's fp32 on CPU."""
    from clinspan import Recognizer

    there = Recognizer.load(options.bundle, device=options.device, precision=_precision(options, variant))
    here = Recognizer.load(options.bundle, precision="fp32")
    far = max(float(np.abs(here.token_logits(n) - there.token_logits(n)).max()) for n in notes)
    truth = [{(s.label, s.start, s.end) for s in here.recognize(note)} for note in notes]
    same = sum(len(a & b) for a, b in zip(truth, found, strict=True))
    either = sum(len(a) + len(b) for a, b in zip(truth, found, strict=True))
    return {
        "largest logit difference to fp32 on CPU": far,
        "span F1 with fp32 on CPU": 2 * same / max(1, either),
    }


if __name__ == "__main__":
    main()
