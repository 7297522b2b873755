"""What does an export cost and give, per architecture, at full size? Writes results/export_table.json and docs.

Each architecture gets random weights at its real size (quality is for trained models; sizes, times and the
equality of the graphs are not about the weights) and two processes of its own: one exports, so that its
peak memory is the export's, and one measures speed, PyTorch fp32 and int8 in turn on the same windows.

    python benchmarks/export_table.py [NAME]... [--threads N]
    python benchmarks/export_table.py --table      # only write docs/evidence/architectures.md from the results
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "export_table.json"
PAGE = HERE.parent / "docs" / "evidence" / "architectures.md"
ROUNDS = 3

sys.path.insert(0, str(HERE.parent))
from tests.support import tiny_checkpoints  # noqa: E402

from benchmarks.record import cpu  # noqa: E402

_ROBERTA = {"max_position_embeddings": 514, "type_vocab_size": 1}
FULL_SIZE: dict[str, tuple[str, dict[str, Any]]] = {
    "distilbert": ("distilbert", {"vocab_size": 30522}),
    "bert": ("bert-cased", {"vocab_size": 28996}),
    "roberta": ("roberta", {"vocab_size": 50265, **_ROBERTA}),
    "megatron-bert": (
        "megatron-bert",
        {
            "vocab_size": 50176,
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
        },
    ),
    "modernbert": ("modernbert", {"vocab_size": 50368}),
    "deberta-v3": (
        "deberta-v3",
        {
            "vocab_size": 128100,
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_biased_input": False,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 256,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
        },
    ),
    "electra": (
        "electra",
        {
            "vocab_size": 30522,
            "embedding_size": 768,
            "hidden_size": 768,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
        },
    ),
    "camembert": ("camembert", {"vocab_size": 32005, **_ROBERTA}),
    "xlm-roberta": ("xlm-roberta", {"vocab_size": 250002, **_ROBERTA}),
}
SHAPES = {
    "distilbert": "DistilBERT base",
    "bert": "BERT base, the shape of Bio_ClinicalBERT",
    "roberta": "RoBERTa base, the shape of BioMed-RoBERTa",
    "megatron-bert": "MegatronBert, the shape of GatorTron base",
    "modernbert": "ModernBERT base",
    "deberta-v3": "DeBERTa-v3 base",
    "electra": "ELECTRA base",
    "camembert": "CamemBERT base",
    "xlm-roberta": "XLM-R base",
}


def main() -> None:
    """Measure what is asked for, write each row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FULL_SIZE)}; all otherwise")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="measure nothing, write the page")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step, name, folder = options.step
        print(json.dumps({"export": _export, "speed": _speed}[step](name, Path(folder), options.threads)))
        return
    for name in [] if options.table else options.names or FULL_SIZE:
        _save(name, _measure(name, options.threads), options.threads)
    PAGE.write_text(_page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


def _measure(name: str, threads: int) -> dict[str, Any]:
    kind, settings = FULL_SIZE[name]
    tiny = tiny_checkpoints.ARCHITECTURES[kind]
    with tempfile.TemporaryDirectory() as work:
        tiny_checkpoints.write(
            Path(work, "checkpoint"), tiny_checkpoints.Kind(tiny.model, tiny.tokenizer, settings)
        )
        row: dict[str, Any] = {}
        for step in ("export", "speed"):
            print(f"{name}: {step}", file=sys.stderr, flush=True)
            command = [
                sys.executable,
                "-W",
                "ignore",
                __file__,
                f"--threads={threads}",
                "--step",
                step,
                name,
                work,
            ]
            row |= json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return row


def _export(name: str, work: Path, threads: int) -> dict[str, Any]:
    import torch

    from clinspan_export.export import export

    torch.set_num_threads(threads)
    began = time.perf_counter()
    bundle = export(
        str(work / "checkpoint"),
        work / "bundle",
        precisions=("fp32", "int8", "fp16"),
        progress=lambda line: print(
            f"  {time.perf_counter() - began:6.0f} s  {line}", file=sys.stderr, flush=True
        ),
    )
    seconds = time.perf_counter() - began
    return {
        "shape": SHAPES[name],
        "parameters": bundle.provenance["parameters"],
        "export_s": round(seconds, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "size_mb": {precision: round(file.size / 1e6, 1) for precision, file in bundle.models.items()},
        "max_logit_difference": {p: bundle.parity[p]["max_logit_difference"] for p in bundle.models},
        "span_agreement_f1": {p: bundle.parity[p]["span_agreement_f1"] for p in bundle.models},
        "spans": bundle.parity["fp32"]["spans_torch"],
    }


def _speed(name: str, work: Path, threads: int) -> dict[str, Any]:
    """PyTorch fp32 and our int8 in turn, on the same windows and one thread, in seconds of CPU time.

    Wall time on a machine that others use says more about them than about either side.
    """
    import torch

    from clinspan import Recognizer
    from clinspan.bundle.manifest import open_bundle
    from clinspan_export import checkpoint as checkpoints
    from clinspan_export.verify.compare import torch_reference
    from clinspan_export.verify.notes import Sample, own_samples

    torch.set_num_threads(1)
    loaded = checkpoints.load(str(work / "checkpoint"))
    bundle = open_bundle(work / "bundle")
    recognizer = Recognizer.load(work / "bundle", precision="int8", threads=1)
    note = [Sample("all", "\n\n".join(sample.text for sample in own_samples()[:4]))]
    theirs, ours = [], []
    for turn in range(ROUNDS + 1):
        began = time.process_time()
        torch_reference(loaded.model, bundle, note)
        middle = time.process_time()
        recognizer.recognize(note[0].text)
        end = time.process_time()
        if turn:  # the first turn warms both up
            theirs.append(middle - began)
            ours.append(end - middle)
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    return {
        "torch_fp32_cpu_s": round(statistics.median(theirs), 3),
        "int8_cpu_s": round(statistics.median(ours), 3),
        "int8_speedup": round(statistics.median(ratios), 2),
        "int8_speedup_rounds": [round(ratio, 2) for ratio in ratios],
    }


def _save(name: str, row: dict[str, Any], threads: int) -> None:
    old = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"rows": {}}
    packages = ("clinspan", "torch", "transformers", "optimum-onnx", "onnxruntime", "tokenizers")
    record = {
        "command": "python benchmarks/export_table.py",
        "python": platform.python_version(),
        "versions": {package: importlib.metadata.version(package) for package in packages},
        "cpu": cpu(),
        "threads": threads,
        "weights": "random",
        "rounds": ROUNDS,
        "rows": {**old["rows"], name: row},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _page(record: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    head = HEAD.format(
        versions=versions, threads=record["threads"], cpu=record["cpu"], rounds=record["rounds"]
    )
    rows = [record["rows"][name] for name in FULL_SIZE if name in record["rows"]]
    lines = [
        "| architecture | parameters | export, s | peak memory, GB | fp32 / fp16 / int8, MB | "
        "largest logit difference fp32 / fp16 / int8 | span agreement fp16 / int8 | int8 over torch fp32 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        size, off, same = row["size_mb"], row["max_logit_difference"], row["span_agreement_f1"]
        lines.append(
            f"| {row['shape']} | {row['parameters'] / 1e6:.0f} M | {row['export_s']:.0f} "
            f"| {row['peak_memory_mb'] / 1024:.1f} | {size['fp32']:.0f} / {size['fp16']:.0f} / {size['int8']:.0f} "
            f"| {off['fp32']:.1g} / {off['fp16']:.1g} / {off['int8']:.1g} "
            f"| {same['fp16']:.3f} / {same['int8']:.3f} | {_times(row.get('int8_speedup'))} |"
        )
    return head + "\n".join(lines) + "\n"


def _times(ratio: float | None) -> str:
    return "not measured" if ratio is None else f"{ratio:.1f}x"


HEAD = """# Architectures

These export, each tested on tiny models of the real architecture with a tokenizer of the real kind
(`tests/export/test_architectures.py`): BERT cased and uncased, MegatronBert, DistilBERT, RoBERTa, ELECTRA,
DeBERTa-v2 and v3, ModernBERT, CamemBERT, XLM-R, ALBERT, MPNet. Other encoders that optimum can export are tried
and held to the same checks; what takes more than text (LayoutLM), or has no ONNX configuration in optimum, is
refused in one line. A model above 532 million parameters does not fit into one fp32 ONNX file and is refused.

At full size, with random weights, so quality says nothing here and agreement is that of a model that is unsure
of everything; export time includes all three precisions and the comparison of each with PyTorch:

    python benchmarks/export_table.py

{versions}; {threads} threads on {cpu}, shared with other work, so times are upper bounds. The speed-up is the
median of {rounds} rounds in which PyTorch fp32 and int8 ran in turn on the same windows, in CPU time on one thread.

"""

if __name__ == "__main__":
    main()
