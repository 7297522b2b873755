"""On an NVIDIA GPU: clinspan fp16 beside the torch fp16 and bf16 pipelines with batching, on the same GPU and texts.

    python -m benchmarks gpu --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR        4 minutes
    python -m benchmarks gpu ... --device cpu --copies 1                                tries it without a GPU, fp32

BUNDLE needs fp16 and fp32 (`clinspan-export CHECKPOINT BUNDLE` keeps fp32, `--precision fp16` adds the other). Install
`clinspan[gpu]` and a torch with CUDA; onnxruntime and onnxruntime-gpu cannot share an environment. Each variant has a process
of its own. Texts are the notes many times over, since a GPU reads forty in a blink. Results say how far logits and spans are
from clinspan's fp32 on CPU: only there are answers the same to the bit.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.peers import Run
from benchmarks.run.harness import Answer, ask, in_turn, medians, options_parser
from benchmarks.run.notes import read_notes
from benchmarks.run.record import save

BATCHES = (1, 8, 32, 128)
VARIANTS = (
    *("clinspan_fp16", "clinspan_fp32"),
    *(f"transformers_fp16_batch_{batch}" for batch in BATCHES),
    *(f"transformers_bf16_batch_{batch}" for batch in BATCHES),
)


def main(arguments: Sequence[str]) -> None:
    """Compare all variants, round by round."""
    parser = options_parser(__doc__, "bundle", "checkpoint", "notes", "rounds", "name")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--copies", type=int, default=20, help="times that the notes are read")
    parser.add_argument("--variants", nargs="*", default=VARIANTS)
    options = parser.parse_args(arguments)
    answers = in_turn(
        options.variants, options.rounds, lambda name: ask(measure, {**vars(options), "variant": name})
    )
    ours = next(iter(answers.values()))
    rows = []
    for name, given in answers.items():
        ratios = [a["kchars_per_s"] / b["kchars_per_s"] for a, b in zip(ours, given, strict=True)]
        rows.append({"variant": name, **medians(given), "clinspan_times_faster": median(ratios)})
    settings = {
        "bundle": options.bundle,
        "notes": Path(options.notes).name,
        "device": _device_name(options.device),
        "copies": options.copies,
        "rounds": options.rounds,
    }
    save("gpu", rows, settings, name=options.name)


def _device_name(device: str) -> str:
    if device == "cpu":
        return "cpu"
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def measure(settings: Answer) -> Answer:
    """Read the notes over and over with one variant, then one note alone."""
    notes, copies = read_notes(settings["notes"]), settings["copies"]
    began = time.perf_counter()
    run = _load(settings, settings["variant"])
    run(notes[:1])
    answer: Answer = {"first_spans_s": time.perf_counter() - began}
    run(notes)  # memory pools and kernel choices settle on the shapes to come
    began = time.perf_counter()
    found = run(notes * copies)
    took = time.perf_counter() - began
    answer["kchars_per_s"] = copies * sum(map(len, notes)) / took / 1000
    times = []
    for _ in range(20):
        began = time.perf_counter()
        run(notes[:1])
        times.append(time.perf_counter() - began)
    answer["note_alone_ms"] = median(times) * 1000
    answer["spans"] = sum(map(len, found[: len(notes)]))
    if settings["variant"].startswith("clinspan"):
        answer |= _difference(settings, notes[:10])
    return answer


def _load(settings: Answer, variant: str) -> Run:
    """Load a variant; on CPU in fp32, since 16 bits run there through casts, which says nothing."""
    from benchmarks.peers import ours, pipelines

    device, kind = settings["device"], "fp32" if settings["device"] == "cpu" else variant.split("_")[1]
    if variant.startswith("clinspan"):
        return ours.clinspan(bundle=settings["bundle"], threads=0, precision=kind, device=device)
    batch = int(variant.rpartition("_")[2])
    checkpoint = settings["checkpoint"]
    return pipelines.transformers(checkpoint=checkpoint, threads=0, kind=kind, batch=batch, device=device)


def _difference(settings: Answer, notes: Sequence[str]) -> Answer:
    """Say how far logits and spans are from clinspan's fp32 on CPU."""
    import numpy as np

    from clinspan import Recognizer

    device = settings["device"]
    kind = "fp32" if device == "cpu" else settings["variant"].split("_")[1]
    there = Recognizer.load(settings["bundle"], device=device, precision=kind)
    here = Recognizer.load(settings["bundle"], precision="fp32")
    far = max(float(np.abs(here.token_logits(n) - there.token_logits(n)).max()) for n in notes)
    same = either = 0
    for truth, found in zip(here.pipe(notes), there.pipe(notes), strict=True):
        expected, given = ({(s.label, s.start, s.end) for s in spans} for spans in (truth, found))
        same += len(expected & given)
        either += len(expected) + len(given)
    return {"largest_logit_difference": far, "span_f1": 2 * same / max(1, either)}
