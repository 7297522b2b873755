"""`clinspan-export finetune-texts`: from texts with labels to a checkpoint of a classifier."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clinspan.documents.labelled import LabelledText, read_labelled
from clinspan.errors import InputError
from clinspan.text.merge import MERGES, SCALES, Scoring
from clinspan_export.cli.export import say
from clinspan_export.train.recipe import default_base
from clinspan_export.train.text_settings import TextSettings


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `finetune-texts` to the command line."""
    parser = commands.add_parser("finetune-texts", help="train a classifier of texts or pairs")
    add = parser.add_argument
    add("train", metavar="TRAIN", help=".jsonl (own or AutoML's), .csv or .tsv of texts with labels")
    add(
        "--dev",
        metavar="DEV",
        help="texts to select the best epoch and thresholds on (default: take the last)",
    )
    add("--label-field", metavar="NAME", help="field that holds the labels (default: label or labels)")
    several = "a text may have any number of labels (default: where some text has several or none)"
    add("--multi-label", action="store_true", help=several)
    add("--base", metavar="CHECKPOINT", help="encoder to start from, folder or Hub id (default: MiniLM)")
    add("--out", required=True, metavar="CKPT", help="folder to make")
    add("--merge", choices=MERGES, default="mean", help="how windows of one text are merged (mean)")
    add("--scale", choices=SCALES, default="logits", help="what is merged (logits)")
    add("--epochs", type=int, default=10, help="most epochs (10)")
    add("--learning-rate", type=float, default=1e-4, help="highest rate of the schedule (1e-4)")
    add("--batch-tokens", type=int, default=2048, help="tokens per step, padding included (2048)")
    add("--window", type=int, default=190, help="tokens per window (190)")
    add("--patience", type=int, default=4, help="epochs without a better score before stopping (4)")
    add("--class-weights", action="store_true", help="give rare labels more weight")
    add("--seed", type=int, default=0, help="start of all random numbers (0)")
    add("--device", default="cpu", help="cpu or cuda (cpu)")
    add("--threads", type=int, help="cores to use (default: all)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> str:
    train = _read(options.train, options.label_field)
    development = [] if options.dev is None else _read(options.dev, options.label_field)
    scoring = _scoring(train, options)
    known = set(scoring.names)
    # A label that training never saw cannot be found.
    development = [replace(one, labels=one.labels & known) for one in development]
    settings = TextSettings(
        epochs=options.epochs, learning_rate=options.learning_rate, batch_tokens=options.batch_tokens,
        window=options.window, patience=options.patience, class_weights=options.class_weights, seed=options.seed,
    )  # fmt: skip
    import torch

    from clinspan_export.train.text_finetune import finetune_texts

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    base = default_base() if options.base is None else options.base
    outcome = finetune_texts(
        train, development, base, out, scoring=scoring, settings=settings, device=options.device, progress=say
    )
    score = f", score {max(outcome.scores):.4f} on {options.dev}" if development else ""
    return (
        f"checkpoint  epoch {outcome.best_epoch} of {len(outcome.scores)}{score}\n"
        f"next        clinspan-export {out} BUNDLE"
    )


def _read(path: str, label_field: str | None) -> list[LabelledText]:
    texts = list(read_labelled(path, label_field=label_field))
    if not texts:
        raise InputError(f"{path}: no text")
    return texts


def _scoring(train: Sequence[LabelledText], options: argparse.Namespace) -> Scoring:
    names: set[str] = set()
    for one in train:
        names |= one.labels
    pairs = [not isinstance(one.text, str) for one in train]
    if any(pairs) != all(pairs):
        raise InputError(f"{options.train}: some texts are pairs and some are not")
    several = options.multi_label or any(len(one.labels) != 1 for one in train)
    problem = "multi-label" if several else "single-label"
    return Scoring(tuple(sorted(names)), problem, options.merge, options.scale, pairs=all(pairs))
