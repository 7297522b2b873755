"""Measure the speed that a pruned model gains and the F1 that it loses, with and without training on the original's logits.

    python -m benchmarks pruning CHECKPOINT --calibrate TRAIN --dev DEV --test TEST --work DIR
        --shares 0.2 0.3 --recovered-shares 0.5 --recover TRAIN     20 minutes a share of a BERT-base on one quiet core

Every model runs in int8 with the runtime's own windows. A share is chosen on DEV: the largest that loses at most 0.01 of
exact F1 there without training, or 0.005 with it. TEST is read once, by those and by the original. Bundles stay in WORK.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.run.harness import Answer, options_parser
from benchmarks.run.record import save
from clinspan import Recognizer
from clinspan.documents.document import Document
from clinspan.documents.find import entities
from clinspan.documents.formats import jsonl as own
from clinspan.documents.scores import evaluate

_LIMITS = {"pruned": 0.01, "recovered": 0.005}
_ROUNDS = 3


def main(arguments: Sequence[str]) -> None:
    """Make the models, choose, and measure."""
    options = _parser().parse_args(arguments)
    dev, test = (list(own.read(Path(path))) for path in (options.dev, options.test))
    rows = [{**row, "dev": _f1(row["bundle"], dev)} for row in _made(options)]
    chosen = {kind: _choose(rows, kind) for kind in ("whole", *_LIMITS)}
    found = {kind: row for kind, row in chosen.items() if row is not None}
    times = _times([row["bundle"] for row in found.values()], test)
    for row, seconds in zip(found.values(), times, strict=True):
        row |= {"test": _f1(row["bundle"], test), "cpu_s": seconds, "speedup": times[0] / seconds}
    summary: Answer = {"whole_f1": found["whole"]["test"]}
    for kind in _LIMITS:
        if kind in found:
            summary[f"{kind}_speedup"] = found[kind]["speedup"]
            summary[f"{kind}_f1_loss"] = found["whole"]["test"] - found[kind]["test"]
    settings = {
        "checkpoint": options.checkpoint,
        **{name: Path(getattr(options, name)).name for name in ("calibrate", "dev", "test")},
        "recover": options.recover and Path(options.recover).name,
        "steps": options.steps,
    }
    for row in rows:
        del row["bundle"]
    save("pruning", rows, settings, summary=summary, name=options.name and f"pruning_{options.name}")


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__, "work", "name")
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
    for name in ("calibrate", "dev", "test"):
        parser.add_argument(f"--{name}", required=True, metavar="JSONL")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.2, 0.3])
    parser.add_argument("--recovered-shares", type=float, nargs="*", default=[])
    parser.add_argument("--recover", metavar="JSONL", help="notes to train on; annotations are not used")
    parser.add_argument("--steps", type=int, default=400)
    return parser


def _made(options: argparse.Namespace) -> Iterator[Answer]:
    """The models, made where they are not there yet: kind, share and bundle of each."""
    work, kept = Path(options.work), _Kept(options)
    yield {"kind": "whole", "share": 0.0, "bundle": kept.export(work / "whole", lambda: kept.loaded)}
    for share in options.shares:
        bundle = kept.export(work / f"pruned-{share}", lambda share=share: kept.prune(share))
        yield {"kind": "pruned", "share": share, "bundle": bundle}
    for share in options.recovered_shares:
        bundle = kept.export(work / f"recovered-{share}", lambda share=share: kept.recover(share))
        yield {"kind": "recovered", "share": share, "bundle": bundle}


class _Kept:
    """The checkpoint, and what all shares need of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.made: Any = None
        self.ranked: Any = None
        self.notes = list(own.read(Path(options.calibrate)))

    @property
    def loaded(self) -> Any:
        """The checkpoint."""
        if self.made is None:
            from clinspan_export import checkpoint

            self.made = checkpoint.load(self.options.checkpoint)
        return self.made

    def prune(self, share: float) -> Any:
        """A pruned checkpoint."""
        from clinspan_export.pruning.prune import look_at, prune

        self.ranked = self.ranked or look_at(self.loaded, (note.text for note in self.notes), _say)
        return prune(self.loaded, self.ranked, share)

    def recover(self, share: float) -> Any:
        """A pruned checkpoint that was trained on the original's logits."""
        from clinspan_export.train.distil import Distilling, recover

        notes = list(own.read(Path(self.options.recover)))
        return recover(self.prune(share), notes, _say, Distilling(steps=self.options.steps))

    def export(self, folder: Path, make: Any) -> Path:
        """Export a checkpoint to int8, unless that was done before."""
        if not folder.is_dir():
            from clinspan_export.exporter import export
            from clinspan_export.verify.verdict import Checks

            _say(f"making {folder.name}")
            export(
                make(), folder, precisions=("int8",), checks=Checks(calibrate_on=self.notes), progress=_say
            )
        return folder


def _say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)


def _choose(rows: Sequence[Answer], kind: str) -> Answer | None:
    """The model of a kind with the largest share within the limit on the development documents."""
    whole = rows[0]["dev"]
    within = [row for row in rows if row["kind"] == kind and whole - row["dev"] <= _LIMITS.get(kind, 0.0)]
    return max(within, key=lambda row: row["share"], default=None)


def _f1(bundle: Path, documents: Sequence[Document]) -> float:
    """Exact F1 over all spans."""
    with Recognizer.load(bundle, precision="int8") as recognizer:
        found = [entities(spans) for spans in recognizer.pipe(note.text for note in documents)]
    return evaluate(documents, found, resamples=0).micro["exact"].f1


def _times(bundles: Sequence[Path], documents: Sequence[Document]) -> list[float]:
    """Seconds of processor time of each model for all documents, on one core, in turn: the least of some rounds."""
    recognizers = [Recognizer.load(bundle, precision="int8", threads=1) for bundle in bundles]
    best = [float("inf")] * len(recognizers)
    for _ in range(_ROUNDS):
        for number, recognizer in enumerate(recognizers):
            begun = time.process_time()
            for note in documents:
                recognizer.recognize(note.text)
            best[number] = min(best[number], time.process_time() - begun)
    return best
