"""What the starter model gets right: every test set, int8 and fp32, with intervals; and the road from 60 documents.

    python benchmarks/starter.py CORPORA BUNDLE [--medication BUNDLE] [--again BUNDLE BUNDLE] [--road]

The bundles hold both precisions, as `python -m clinspan_export.starter` makes them (OUT/bundle and, with --medication-only,
OUT/medication; with another --seed for --again). Writes benchmarks/results/starter.json; what is not measured anew stays in
it as it was.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from clinspan.documents import automl
from clinspan.documents import jsonl as own
from clinspan_export.starter.measure import MEDICATION_SETS, against, as_markdown, measure, test_sets, write

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results/starter.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpora", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "--medication", type=Path, metavar="BUNDLE", help="the model of the medication labels alone"
    )
    parser.add_argument(
        "--again",
        nargs=2,
        type=Path,
        action="append",
        default=[],
        metavar=("BUNDLE", "MEDICATION"),
        help="the same two trained with another seed; repeatable",
    )
    parser.add_argument(
        "--road", action="store_true", help="also train on 60 BC5CDR documents, with the documented commands"
    )
    parser.add_argument("--threads", type=int, default=2, help="cores for that")
    options = parser.parse_args()
    data = ROOT / "tests/data"
    sets = test_sets(
        options.corpora, data / "starter_heldout.jsonl", data / "medication_lines_annotations.jsonl"
    )
    figures = measure(options.bundle, sets)
    manifest = json.loads((options.bundle / "clinspan.json").read_text(encoding="utf-8"))
    packages = ("clinspan", "numpy", "onnxruntime", "tokenizers")
    figures["setting"] = {
        "cores": os.cpu_count(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "int8_megabytes": round(manifest["models"]["int8"]["size"] / 1e6, 2),
        "int8_sha256": manifest["models"]["int8"]["sha256"],
    }
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in ("medication_only", "medication_only_again", "sixty_documents"):
        figures[name] = before.get(name)
    compared = {name: sets[name] for name in MEDICATION_SETS}
    if options.medication:
        figures["medication_only"] = against(options.bundle, options.medication, compared)
    if options.again:
        figures["medication_only_again"] = [against(*pair, compared) for pair in options.again]
    if options.road:
        figures["sixty_documents"] = road(options.corpora, options.threads)
    write(RESULTS, figures)
    print(as_markdown(figures))


def road(corpora: Path, threads: int) -> dict[str, Any]:
    """From 60 annotated documents to a measured bundle with the documented commands; seconds of each."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name, part, count in (("train", "train", 60), ("dev", "dev", 30)):
            documents = list(own.read(corpora / f"bc5cdr/bc5cdr_{part}.jsonl"))[:count]
            with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
                automl.write(documents, stream)
        exporter, runtime = [sys.executable, "-m", "clinspan_export"], [sys.executable, "-m", "clinspan"]
        commands = {
            "check": [*exporter, "check", "train.jsonl"],
            "train-bundle": [
                *exporter,
                "train-bundle",
                "train.jsonl",
                "--dev",
                "dev.jsonl",
                "--out",
                "bundle",
            ],
            "evaluate": [
                *(*runtime, "evaluate", "--gold", str(corpora.resolve() / "bc5cdr/bc5cdr_test.jsonl")),
                *("--model", "bundle", "--format", "json"),
            ],
        }
        commands["train-bundle"] += ["--threads", str(threads)]
        commands["evaluate"] += ["--threads", str(threads)]
        seconds: dict[str, float] = {}
        for name, command in commands.items():
            began = time.perf_counter()
            done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
            seconds[name] = round(time.perf_counter() - began, 1)
        scores = json.loads(done.stdout)
    micro = {match: round(scores["micro"][match]["f1"], 4) for match in ("exact", "lenient")}
    return {
        "threads": threads,
        "seconds": seconds,
        "total_seconds": round(sum(seconds.values()), 1),
        "bc5cdr_test_f1": micro,
    }


if __name__ == "__main__":
    main()
