"""F1 on annotated text: clinspan's int8 against the transformers pipeline on the same weights, and what windows do to it.

    python -m benchmarks.quality NAME CHECKPOINT BUNDLE DEV TEST [--dev-documents N]      3 minutes for a 6-layer MiniLM

NAME tells results apart (`quality_NAME.json`); DEV and TEST are annotated documents as `clinspan evaluate` takes them. What
is chosen, the pipeline's window and stride and any window of clinspan's, is chosen on DEV; TEST stands beside it for the
record. The pipeline's best on TEST is given too: nobody could have chosen it, it is the most that the target can be held to.
Exact spans, micro-averaged over labels.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import clinspan.recognizer
from benchmarks.record import save
from clinspan import Recognizer
from clinspan.documents import jsonl as own
from clinspan.documents.document import Document, Entity
from clinspan.documents.scores import evaluate
from clinspan.text.tokenizer import INSIDE_WORD
from clinspan.text.windows import plan

Find = Callable[[Sequence[str]], list[list[tuple[str, int, int]]]]

# Tokens of a window, special ones included, and tokens that neighbours share (what transformers calls stride).
PIPELINE = ((512, 128), (256, 64), (256, 32), (192, 64), (192, 32), (128, 32))
CLINSPAN: dict[str, dict[str, Any]] = {
    "default": {},
    "window 64": {"window": 64},
    "window 128": {"window": 128},
    "window 254": {"window": 254},
    "window 510": {"window": 510},
    "overlap 16": {"overlap": 16},
    "overlap 32": {"overlap": 32},
    "overlap 64": {"overlap": 64},
    "equal cuts, between words": {"cuts": "equal"},
    "cuts at sections": {"cuts": "sections"},
    "fp32": {"precision": "fp32"},
}


def main() -> None:
    """Score every setting on dev and on test."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("name", "checkpoint", "bundle", "dev", "test"):
        parser.add_argument(name, metavar=name.upper())
    parser.add_argument("--dev-documents", type=int, default=150, help="of DEV, from its beginning")
    parser.add_argument("--test-documents", type=int, help="of TEST; all otherwise")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--note", default="", help="what a reader of the result must know, such as a seen DEV"
    )
    options = parser.parse_args()
    parts = {
        "dev": list(own.read(Path(options.dev)))[: options.dev_documents],
        "test": list(own.read(Path(options.test)))[: options.test_documents],
    }
    ours = {
        name: _score(f"clinspan {name}", parts, _clinspan(options, **setting))
        for name, setting in CLINSPAN.items()
    }
    theirs = {
        f"{window}/{stride}": _score(f"pipeline {window}/{stride}", parts, _pipeline(options, window, stride))
        for window, stride in PIPELINE
    }
    chosen = max(theirs, key=lambda name: theirs[name]["dev"])
    best = max(theirs, key=lambda name: theirs[name]["test"])
    save(
        f"quality_{options.name}",
        {
            "clinspan int8": ours,
            "transformers fp32": theirs,
            "pipeline's window, chosen on dev": chosen,
            "pipeline's window, best on test": best,
            "clinspan's test F1 less the pipeline's, its window chosen on dev": ours["default"]["test"]
            - theirs[chosen]["test"],
            "clinspan's test F1 less the pipeline's at its best on test": ours["default"]["test"]
            - theirs[best]["test"],
        },
        checkpoint=Path(options.checkpoint).name,
        dev=f"{Path(options.dev).name}, {len(parts['dev'])} documents",
        test=f"{Path(options.test).name}, {len(parts['test'])} documents",
        note=options.note,
    )


def _score(name: str, parts: dict[str, list[Document]], find: Find) -> dict[str, float]:
    print(name, file=sys.stderr)
    scores = {}
    for part, documents in parts.items():
        found = [
            [Entity(start, end, label) for label, start, end in spans]
            for spans in find([document.text for document in documents])
        ]
        scores[part] = evaluate(documents, found, resamples=0).micro["exact"].f1
    return scores


def _clinspan(options: argparse.Namespace, *, cuts: str = "", precision: str = "int8", **load: Any) -> Find:
    recognizer = Recognizer.load(options.bundle, precision=precision, threads=options.threads, **load)

    def find(texts: Sequence[str]) -> list[list[tuple[str, int, int]]]:
        with _cut(cuts):
            return [[(s.label, s.start, s.end) for s in spans] for spans in recognizer.pipe(texts)]

    return find


@contextmanager
def _cut(how: str) -> Iterator[None]:
    """Let windows end elsewhere: `equal`, at an equal share between two words; `sections`, after sections."""

    def other(cuts: Any, **settings: Any) -> Any:
        if how == "equal":
            return plan(np.where(cuts == INSIDE_WORD, cuts, 0).astype(np.int8), **settings)
        return plan(cuts, **{**settings, "sections": True})

    if how:
        clinspan.recognizer.plan = other  # type: ignore[attr-defined]
    try:
        yield
    finally:
        clinspan.recognizer.plan = plan  # type: ignore[attr-defined]


def _pipeline(options: argparse.Namespace, window: int, stride: int) -> Find:
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

    torch.set_num_threads(options.threads)
    ner = pipeline(
        "token-classification",
        model=AutoModelForTokenClassification.from_pretrained(options.checkpoint).eval(),
        tokenizer=AutoTokenizer.from_pretrained(options.checkpoint, model_max_length=window),
        aggregation_strategy="first",
        stride=stride,
    )
    return lambda texts: [[(e["entity_group"], e["start"], e["end"]) for e in found] for found in ner(texts)]


if __name__ == "__main__":
    main()
