"""`clinspan-export finetune-texts` and `train-bundle-texts`: from texts with labels to a checkpoint, and on to a bundle."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from clinspan.documents.label_scores.label_report import as_table
from clinspan.documents.labelled import holds_labels
from clinspan.text.merge import MERGES, SCALES
from clinspan_export.cli.export import say
from clinspan_export.cli.train import add_run_flags
from clinspan_export.train.text_recipe import TextPlan, train_texts, train_texts_bundle
from clinspan_export.train.text_settings import TextOutcome, TextSettings

_SUFFIX = "-texts"
_OF_BOTH = ("finetune", "train-bundle")


def by_data(arguments: Sequence[str]) -> list[str]:
    """Give `finetune` and `train-bundle` of texts with labels the name of their own command.

    The first argument that is a file decides: entities have offsets, and labels of a whole text have none.
    """
    name, *rest = arguments
    files = (one for one in rest if Path(one).is_file())
    if name in _OF_BOTH and ("--label-field" in rest or any(holds_labels(one) for one in [*files][:1])):
        return [name + _SUFFIX, *rest]
    return list(arguments)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `finetune-texts` and `train-bundle-texts` to the command line."""
    tune = commands.add_parser("finetune-texts", help="train a classifier of texts or pairs")
    _add_options(tune)
    tune.add_argument("--out", required=True, metavar="CKPT", help="folder to make")
    tune.set_defaults(run=_finetune)
    whole = commands.add_parser(
        "train-bundle-texts", help="train a classifier of texts, export, and measure: all in one"
    )
    _add_options(whole)
    whole.add_argument("--out", required=True, metavar="BUNDLE", help="folder to make")
    whole.add_argument("--force", action="store_true", help="replace BUNDLE where it exists")
    whole.set_defaults(run=_train_bundle)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("train", metavar="TRAIN", help=".jsonl (own or AutoML's), .csv or .tsv of texts with labels")
    chosen = "texts to select the best epoch and thresholds on (default: take the last)"
    add("--dev", metavar="DEV", help=chosen)
    add("--label-field", metavar="NAME", help="field that holds the labels (default: label or labels)")
    several = "a text may have any number of labels (default: where some text has several or none)"
    add("--multi-label", action="store_true", help=several)
    add("--base", metavar="CHECKPOINT", help="encoder to start from, folder or Hub id (default: MiniLM)")
    add("--merge", choices=MERGES, default="mean", help="how windows of one text are merged (mean)")
    add("--scale", choices=SCALES, default="logits", help="what is merged (logits)")
    add("--epochs", type=int, default=10, help="most epochs (10)")
    add("--learning-rate", type=float, default=1e-4, help="highest rate of the schedule (1e-4)")
    add("--batch-tokens", type=int, default=2048, help="tokens per step, padding included (2048)")
    add("--window", type=int, default=190, help="tokens per window (190)")
    add("--patience", type=int, default=4, help="epochs without a better score before stopping (4)")
    add("--class-weights", action="store_true", help="give rare labels more weight")
    add_run_flags(parser)


def _plan(options: argparse.Namespace) -> TextPlan:
    settings = TextSettings(
        epochs=options.epochs, learning_rate=options.learning_rate, batch_tokens=options.batch_tokens,
        window=options.window, patience=options.patience, average=0.98, class_weights=options.class_weights,
        seed=options.seed,
    )  # fmt: skip
    return TextPlan(
        data=options.train, development=options.dev, label_field=options.label_field, several=options.multi_label,
        merge=options.merge, scale=options.scale, base=options.base, settings=settings, device=options.device,
        threads=options.threads,
    )  # fmt: skip


def _finetune(options: argparse.Namespace) -> str:
    outcome = train_texts(_plan(options), Path(options.out), progress=say)
    return "\n".join([_line(outcome, options.dev), f"next        clinspan-export {options.out} BUNDLE"])


def _train_bundle(options: argparse.Namespace) -> str:
    target = Path(options.out)
    trained = train_texts_bundle(_plan(options), target, force=options.force, progress=say)
    lines = [_line(trained.outcome, options.dev), f"bundle      {target}"]
    if trained.scores is not None:
        lines.append(
            "on the development texts, through the runtime (they selected the epoch and thresholds):"
        )
        lines.append(as_table(trained.scores))
    return "\n".join([*lines, f"next        clinspan classify --model {target} NOTE.txt"])


def _line(outcome: TextOutcome, development: str | None) -> str:
    score = "no development texts to measure on"
    if development is not None:
        score = f"score {max(outcome.scores):.4f} on {development}"
    return f"checkpoint  epoch {outcome.best_epoch} of {len(outcome.scores)}, {score}"
