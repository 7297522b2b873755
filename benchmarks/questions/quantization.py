"""Cost and quality of each way of quantizing: agreement with fp32, F1, size, time of a window.

    python -m benchmarks quantization CHECKPOINT --notes DIR --gold test.jsonl

Calibration uses the exporter's own sample notes, so neither the notes nor the gold are seen before. Times are
CPU time of one window of 190 tokens on one thread, all variants in turn, so that drift hits them alike.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.peers import ours
from benchmarks.run.harness import Answer, options_parser
from benchmarks.run.notes import read_notes
from benchmarks.run.record import save
from clinspan import Recognizer, Span
from clinspan.bundle.loading import Loaded
from clinspan.text.tokenizer import Tokenizer
from clinspan_export import export
from clinspan_export.graphs.int8 import Quantization, write_int8
from clinspan_export.graphs.outliers import Taming
from clinspan_export.verify.compare import feeds
from clinspan_export.verify.samples import SAMPLES

PLAIN = Quantization(taming=Taming(neurons=0, centring=False, smoothing=None), embeddings="table")
VARIANTS: dict[str, Quantization] = {
    "plain_per_channel": PLAIN,
    "plain_per_tensor": replace(PLAIN, per_channel=False),
    "plain_reduced_range": replace(PLAIN, reduce_range=True),
    "embeddings_fp32": replace(PLAIN, embeddings="fp32"),
    "embeddings_per_row": replace(PLAIN, embeddings="row"),
    "feed_forward_out_in_fp32": replace(PLAIN, skip=("/output/dense/MatMul",)),
    "outlier_neurons_in_fp32": replace(PLAIN, taming=Taming(centring=False, smoothing=None)),
    "smoothing_0_65": replace(PLAIN, taming=Taming(neurons=0, centring=False, smoothing=0.65)),
    "centring_smoothing_0_75": replace(PLAIN, taming=Taming(neurons=0)),
    "all_not_centred_smoothing_0_65": Quantization(taming=Taming(centring=False, smoothing=0.65)),
    "all_smoothing_0_5": Quantization(taming=Taming(smoothing=0.5)),
    "all_smoothing_0_65": Quantization(taming=Taming(smoothing=0.65)),
    "all_smoothing_0_75_default": Quantization(),
    "all_smoothing_0_85": Quantization(taming=Taming(smoothing=0.85)),
    "all_16_neurons": Quantization(taming=Taming(neurons=16)),
    "all_neurons_from_1_5_times": Quantization(taming=Taming(stands_out=1.5)),
    "all_reduced_range": Quantization(reduce_range=True),
}

Spans = list[set[tuple[str, int, int]]]


def main(arguments: Sequence[str]) -> None:
    """Build every variant of one checkpoint and compare them."""
    parser = options_parser(__doc__, "notes")
    parser.add_argument("checkpoint")
    parser.add_argument("--gold", required=True, help="JSONL with text and entities")
    parser.add_argument("--runs", type=int, default=40, help="windows of each (default: %(default)s)")
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    options = parser.parse_args(arguments)
    gold = [json.loads(line) for line in Path(options.gold).read_text(encoding="utf-8").splitlines()]
    recipes = {name: VARIANTS[name] for name in options.variants}
    with tempfile.TemporaryDirectory() as work:
        base = Path(work, "fp32")
        export(options.checkpoint, base, precisions=("fp32",))
        rows = _compare(base, recipes, read_notes(options.notes), gold)
        times = _times({name: _loaded(base, name) for name in recipes}, options.runs)
    for row in rows[1:]:
        row["time_against_plain"] = times[row["variant"]]
    save("quantization", rows, {"checkpoint": options.checkpoint})


def _compare(
    base: Path, recipes: dict[str, Quantization], notes: list[str], rows: list[dict[str, Any]]
) -> list[Answer]:
    """Write every variant beside the fp32 bundle, and compare its spans with fp32's and with the gold."""
    gold = [{(e["label"], e["start"], e["end"]) for e in row["entities"]} for row in rows]
    texts = [row["text"] for row in rows]
    reference = Recognizer.load(base, precision="fp32")
    exact, exact_gold = _spans(reference.pipe(notes)), _spans(reference.pipe(texts))
    results: list[Answer] = [
        {"variant": "fp32", "f1": _f1(gold, exact_gold), "mb": _megabytes(base, "model")}
    ]
    for name, recipe in recipes.items():
        folder = base.with_name(name)
        (folder / "onnx").mkdir(parents=True)
        for file in ("config.json", "tokenizer.json"):
            shutil.copy(base / file, folder / file)
        seen = feeds(Tokenizer(base / "tokenizer.json"), SAMPLES, window=reference.report().window)
        write_int8(base / "onnx/model.onnx", folder / "onnx/model_int8.onnx", seen, how=recipe)
        recognizer = Recognizer(_loaded(base, name))
        found = _spans(recognizer.pipe(texts))
        results.append(
            {
                "variant": name,
                "agreement_on_notes": _f1(exact, _spans(recognizer.pipe(notes))),
                "agreement_on_gold_texts": _f1(exact_gold, found),
                "f1": _f1(gold, found),
                "mb": _megabytes(folder, "model_int8"),
            }
        )
    return results


def _loaded(base: Path, name: str) -> Loaded:
    return ours.loaded(base.with_name(name))


def _megabytes(folder: Path, model: str) -> float:
    return sum(path.stat().st_size for path in folder.glob(f"onnx/{model}.onnx*")) / 1e6


def _times(loaded: dict[str, Loaded], runs: int) -> dict[str, float]:
    """CPU time of a window against the first variant's, all in turn; the first two runs warm up."""
    ids = np.random.default_rng(0).integers(1000, 20000, 190, dtype=np.int32)
    times: dict[str, list[float]] = {name: [] for name in loaded}
    for _ in range(runs + 2):
        for name, parts in loaded.items():
            began = time.thread_time()
            parts.model.logits(ids)
            times[name].append(time.thread_time() - began)
    plain = next(iter(times.values()))
    return {
        name: median(t / p for t, p in zip(took[2:], plain[2:], strict=True)) for name, took in times.items()
    }


def _spans(results: Iterable[list[Span]]) -> Spans:
    return [{(s.label, s.start, s.end) for s in spans} for spans in results]


def _f1(gold: Spans, found: Spans) -> float:
    same = sum(len(a & b) for a, b in zip(gold, found, strict=True))
    total = sum(map(len, gold)) + sum(map(len, found))
    return 2 * same / total if total else 1.0
