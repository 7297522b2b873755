"""What each way of quantizing costs and keeps: agreement with fp32, F1, size, time of a window.

    python -m benchmarks.quantization CHECKPOINT --notes DIR --gold test.jsonl

Calibration uses the exporter's own sample notes, so neither the notes nor the gold are seen before. Times are
CPU time of one window of 190 tokens on one thread, all variants in turn, so that drift hits them alike.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.record import save
from clinspan import Recognizer, Span
from clinspan.text.tokenizer import Tokenizer
from clinspan_export.export import export
from clinspan_export.graphs.int8 import Recipe, write_int8
from clinspan_export.graphs.outliers import Taming
from clinspan_export.verify import compare as parity
from clinspan_export.verify.samples import SAMPLES

PLAIN = Recipe(taming=Taming(neurons=0, centring=False, smoothing=None), embeddings="table")
VARIANTS: dict[str, Recipe] = {
    "plain, per channel": PLAIN,
    "plain, per tensor": replace(PLAIN, per_channel=False),
    "plain, reduced range": replace(PLAIN, reduce_range=True),
    "embeddings fp32": replace(PLAIN, embeddings="fp32"),
    "embeddings per row": replace(PLAIN, embeddings="row"),
    "feed-forward out in fp32": replace(PLAIN, skip=("/output/dense/MatMul",)),
    "outlier neurons in fp32": replace(PLAIN, taming=Taming(centring=False, smoothing=None)),
    "smoothing 0.65": replace(PLAIN, taming=Taming(neurons=0, centring=False, smoothing=0.65)),
    "centring, smoothing 0.75": replace(PLAIN, taming=Taming(neurons=0)),
    "all, not centred, smoothing 0.65": Recipe(taming=Taming(centring=False, smoothing=0.65)),
    "all, smoothing 0.5": Recipe(taming=Taming(smoothing=0.5)),
    "all, smoothing 0.65": Recipe(taming=Taming(smoothing=0.65)),
    "all, smoothing 0.75 (default)": Recipe(),
    "all, smoothing 0.85": Recipe(taming=Taming(smoothing=0.85)),
    "all, 16 neurons": Recipe(taming=Taming(neurons=16)),
    "all, neurons from 1.5 times": Recipe(taming=Taming(stands_out=1.5)),
    "all, reduced range": Recipe(reduce_range=True),
}

Spans = list[set[tuple[str, int, int]]]


def main() -> None:
    """Build every variant of one checkpoint and compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint")
    parser.add_argument("--notes", required=True, help="folder of .txt notes")
    parser.add_argument("--gold", required=True, help="JSONL with text and entities")
    parser.add_argument("--runs", type=int, default=40)
    options = parser.parse_args()
    notes = [path.read_text(encoding="utf-8") for path in sorted(Path(options.notes).glob("*.txt"))]
    rows = [json.loads(line) for line in Path(options.gold).read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as work:
        save("quantization", _compare(options, notes, rows, Path(work)), model=Path(options.checkpoint).name)


def _compare(options: argparse.Namespace, notes: list[str], rows: list[dict], work: Path) -> dict:  # type: ignore[type-arg]
    base = work / "fp32"
    bundle = export(options.checkpoint, base, precisions=("fp32",))
    gold = [{(e["label"], e["start"], e["end"]) for e in row["entities"]} for row in rows]
    texts = [row["text"] for row in rows]
    reference = Recognizer.load(base, precision="fp32")
    exact, exact_gold = _spans(reference.pipe(notes)), _spans(reference.pipe(texts))
    results = {"fp32": {"F1": _f1(gold, exact_gold), "MB": bundle.models["fp32"].size / 1e6}}
    loaded = {}
    for name, recipe in VARIANTS.items():
        folder = work / name.replace(" ", "_")
        recognizer = loaded[name] = _variant(base, folder, bundle.window, recipe)
        found = _spans(recognizer.pipe(texts))
        results[name] = {
            "agreement on notes": _f1(exact, _spans(recognizer.pipe(notes))),
            "agreement on gold texts": _f1(exact_gold, found),
            "F1": _f1(gold, found),
            "MB": (folder / "onnx/model_int8.onnx").stat().st_size / 1e6,
        }
    for name, ratio in _times(loaded, options.runs).items():
        results[name]["time against plain"] = ratio
    return results


def _variant(base: Path, folder: Path, window: int, recipe: Recipe) -> Recognizer:
    (folder / "onnx").mkdir(parents=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(base / name, folder / name)
    feeds = parity.feeds(Tokenizer(base / "tokenizer.json"), SAMPLES, window=window)
    write_int8(base / "onnx/model.onnx", folder / "onnx/model_int8.onnx", feeds, recipe=recipe)
    return Recognizer.load(folder, threads=1, window=window)


def _times(loaded: dict[str, Recognizer], runs: int) -> dict[str, float]:
    ids = np.random.default_rng(0).integers(1000, 20000, 190)
    times: dict[str, list[float]] = {name: [] for name in loaded}
    for _ in range(runs + 2):
        for name, recognizer in loaded.items():
            began = time.thread_time()
            recognizer._model.logits(ids)
            times[name].append(time.thread_time() - began)
    plain = times["plain, per channel"][2:]
    return {name: median(t / p for t, p in zip(took[2:], plain, strict=True)) for name, took in times.items()}


def _spans(results: object) -> Spans:
    found: list[list[Span]] = list(results)  # type: ignore[call-overload]
    return [{(s.label, s.start, s.end) for s in spans} for spans in found]


def _f1(gold: Spans, found: Spans) -> float:
    same = sum(len(a & b) for a, b in zip(gold, found, strict=True))
    total = sum(map(len, gold)) + sum(map(len, found))
    return 2 * same / total if total else 1.0


if __name__ == "__main__":
    main()
