"""Scores of the starter model: every test set, int8 and fp32, with intervals; and the road from 60 documents.

    python -m benchmarks starter CORPORA BUNDLE [--medication BUNDLE] [--again BUNDLE BUNDLE] [--road]

The bundles hold both precisions, as `python -m clinspan_export.starter` makes them (OUT/bundle and, with --medication-only,
OUT/medication; with another --seed for --again). Figures that are not measured again stay in the result unchanged.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.run.harness import ROOT, Answer, options_parser
from benchmarks.run.record import read, save
from clinspan.documents.formats import automl
from clinspan.documents.formats import jsonl as own
from clinspan_export.starter.measure import (
    MEDICATION_SETS,
    abbreviations,
    against,
    as_markdown,
    by_window,
    calibration,
    measure,
    test_sets,
)


def main(arguments: Sequence[str]) -> None:
    """Measure the starter, and what else is asked for."""
    options = _parser().parse_args(arguments)
    data = ROOT / "tests/data"
    sets = test_sets(options.corpora, data)
    figures = measure(options.bundle, sets)
    try:
        summary = read("starter")["summary"]
    except LookupError:
        summary = {}
    summary["demonstrations_exact"] = figures["demonstrations_exact"]
    summary["by_window"] = by_window(options.bundle, sets["notes, kept aside"])
    summary["calibration"] = calibration(options.bundle, sets["notes, kept aside"])
    summary["abbreviations"] = abbreviations(options.bundle)
    compared = {name: sets[name] for name in MEDICATION_SETS}
    if options.medication:
        summary["medication_only"] = against(options.bundle, options.medication, compared)
    if options.again:
        summary["medication_only_again"] = [against(ours, theirs, compared) for ours, theirs in options.again]
    if options.road:
        summary["sixty_documents"] = road(options.corpora, options.threads)
    model = json.loads((options.bundle / "clinspan.json").read_text(encoding="utf-8"))["models"]["int8"]
    settings = {
        "bundle": str(options.bundle),
        "int8_megabytes": round((model["size"] + model["data"]["size"]) / 1e6, 2),
        "int8_sha256": model["sha256"],
    }
    rows = [
        {"test_set": name, "precision": precision, **scores}
        for name, by_precision in figures["test_sets"].items()
        for precision, scores in by_precision.items()
    ]
    save("starter", _identified(rows), settings, summary=_identified(summary))
    print(as_markdown(figures))


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__, "threads")
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
    return parser


def _identified(figures: Any) -> Any:
    """The same with identifiers for the names of test sets and precisions."""
    if isinstance(figures, dict):
        return {_identified(key): _identified(value) for key, value in figures.items()}
    if isinstance(figures, list):
        return [_identified(value) for value in figures]
    return re.sub(r"\W+", "_", figures) if isinstance(figures, str) else figures


def road(corpora: Path, threads: int) -> Answer:
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
