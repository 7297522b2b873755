"""F1 on annotated text: clinspan's int8 against the transformers pipeline on the same weights, and what windows do to it.

    python -m benchmarks quality NAME CHECKPOINT BUNDLE DEV TEST [--dev-documents N]      3 minutes for a 6-layer MiniLM

NAME tells results apart (`quality_NAME.json`); DEV and TEST are annotated documents as `clinspan evaluate` takes them. What
is chosen, the pipeline's window and stride and any window of clinspan's, is chosen on DEV; TEST stands beside it for the
record. The pipeline's best on TEST is given too: nobody could have chosen it, it is the most that the target can be held to.
Exact spans, micro-averaged over labels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import OURS, Run, ours, pipelines
from benchmarks.peers.our_windows import in_our_windows
from benchmarks.run.harness import Answer, options_parser
from benchmarks.run.record import save
from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import jsonl as own
from clinspan.documents.scores import evaluate
from clinspan.pipeline import TokenizedNote
from clinspan.text.encoding import INSIDE_WORD
from clinspan.text.windows import plan

# Tokens of a window, special ones included, and tokens that neighbours share (what transformers calls stride).
PIPELINE = ((512, 128), (256, 64), (256, 32), (192, 64), (192, 32), (128, 32))
# `reuse` makes windows end at sections.
CLINSPAN: dict[str, dict[str, Any]] = {
    "default": {},
    **{f"window_{tokens}": {"load": {"window": tokens}} for tokens in (64, 128, 254, 510)},
    **{f"overlap_{tokens}": {"load": {"overlap": tokens}} for tokens in (16, 32, 64)},
    "equal_cuts": {},
    "cuts_at_sections": {"load": {"reuse": 1}},
    "fp32": {"precision": "fp32"},
}


def main(arguments: Sequence[str]) -> None:
    """Score every setting on dev and on test."""
    parser = options_parser(__doc__, "threads")
    for name in ("name", "checkpoint", "bundle", "dev", "test"):
        parser.add_argument(name, metavar=name.upper())
    parser.add_argument("--dev-documents", type=int, default=150, help="of DEV, from its beginning")
    parser.add_argument("--test-documents", type=int, help="of TEST, from its beginning (default: all)")
    parser.add_argument("--trained-on", help="what the checkpoint was trained on, such as `train` or `dev`")
    options = parser.parse_args(arguments)
    parts = {
        "dev": list(own.read(Path(options.dev)))[: options.dev_documents],
        "test": list(own.read(Path(options.test)))[: options.test_documents],
    }
    default, *others = [_score(OURS, name, parts, _clinspan(options, name)) for name in CLINSPAN]
    theirs = [
        _score(
            "transformers_fp32",
            f"window_{window}_stride_{stride}",
            parts,
            pipelines.transformers(
                checkpoint=options.checkpoint, threads=options.threads, length=window, stride=stride
            ),
        )
        for window, stride in PIPELINE
    ]
    chosen, best = max(theirs, key=itemgetter("dev")), max(theirs, key=itemgetter("test"))
    summary = {
        "pipeline_chosen_on_dev": chosen["setting"],
        "pipeline_best_on_test": best["setting"],
        "f1_less_chosen": default["test"] - chosen["test"],
        "f1_less_best": default["test"] - best["test"],
    }
    settings = {
        "checkpoint": options.checkpoint,
        "dev": {"file": Path(options.dev).name, "documents": len(parts["dev"])},
        "test": {"file": Path(options.test).name, "documents": len(parts["test"])},
        "trained_on": options.trained_on,
    }
    save("quality", [default, *others, *theirs], settings, summary=summary, name=f"quality_{options.name}")


def _score(variant: str, setting: str, parts: dict[str, list[Document]], find: Run) -> Answer:
    print(f"{variant}: {setting}", file=sys.stderr)
    row: Answer = {"variant": variant, "setting": setting}
    for part, documents in parts.items():
        found = [
            [Entity(start, end, label) for label, start, end in spans]
            for spans in find([document.text for document in documents])
        ]
        row[part] = evaluate(documents, found, resamples=0).micro["exact"].f1
    return row


def _clinspan(options: argparse.Namespace, name: str) -> Run:
    if name != "equal_cuts":
        return ours.clinspan(bundle=options.bundle, threads=options.threads, **CLINSPAN[name])
    parts = ours.loaded(options.bundle)
    return in_our_windows(
        parts.bundle,
        lambda contents: [parts.model.logits(ids) for ids in contents],
        cut=partial(_equally, window=parts.bundle.window),
    )


def _equally(note: TokenizedNote, *, window: int) -> TokenizedNote:
    """Let windows end at an equal share, between any two words."""
    cuts = note.encoding.cuts
    edges = np.where(cuts == INSIDE_WORD, cuts, 0).astype(np.int8)
    return replace(note, windows=plan(edges, window=window))
