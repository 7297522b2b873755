"""`clinspan-export finetune` and `train-bundle`: from annotated documents to a checkpoint, and on to a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from clinspan.bundle.manifest import DEFAULT_WINDOW
from clinspan.cli.reading_flags import DATA_HELP, add_reading_flags, reading_rules
from clinspan.documents.annotated import FORMATS
from clinspan.documents.score_report import as_table
from clinspan_export.cli.export import say
from clinspan_export.train.recipe import TrainingPlan, train, train_bundle
from clinspan_export.train.settings import TrainingOutcome, TrainingSettings


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `finetune` and `train-bundle` to the command line."""
    tune = commands.add_parser("finetune", help="train a checkpoint on annotated documents")
    _add_options(tune)
    tune.add_argument("--out", required=True, metavar="CKPT", help="folder to make")
    tune.add_argument(
        "--resume", action="store_true", help="go on where a stopped run in CKPT ended its last epoch"
    )
    tune.set_defaults(run=_finetune)
    whole = commands.add_parser(
        "train-bundle", help="train on annotated documents, export, and measure: all in one"
    )
    _add_options(whole)
    whole.add_argument("--out", required=True, metavar="BUNDLE", help="folder to make")
    whole.add_argument("--force", action="store_true", help="replace BUNDLE where it exists")
    whole.set_defaults(run=_train_bundle)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("train", metavar="TRAIN", help=DATA_HELP)
    add("--dev", metavar="DEV", help="documents to select the best epoch on (default: take the last)")
    add("--data-format", choices=FORMATS, help="default: recognised by path and first line")
    add("--base", metavar="CHECKPOINT", help="encoder to start from, folder or Hub id (default: MiniLM)")
    add("--epochs", type=int, help="most epochs (default: by the amount of text)")
    add("--learning-rate", type=float, default=4e-4, help="highest rate of the schedule (4e-4)")
    add("--batch-tokens", type=int, default=1024, help="tokens per step, padding included (1024)")
    add("--window", type=int, default=DEFAULT_WINDOW, help=f"tokens per window ({DEFAULT_WINDOW})")
    add("--patience", type=int, default=4, help="epochs without a better score before stopping (4)")
    add("--line-ends", action="store_true", help="a token for the line end, where the tokenizer drops it")
    add_run_flags(parser)
    add_reading_flags(parser)


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Add what every training on a machine has: `--seed`, `--device` and `--threads`."""
    add = parser.add_argument
    add("--seed", type=int, default=0, help="start of all random numbers (0)")
    add("--device", default="cpu", help="cpu or cuda (cpu)")
    add("--threads", type=int, help="cores to use (default: all)")


def _plan(options: argparse.Namespace) -> TrainingPlan:
    settings = TrainingSettings(
        learning_rate=options.learning_rate, batch_tokens=options.batch_tokens, window=options.window,
        patience=options.patience, average=0.98, seed=options.seed, line_ends=options.line_ends,
    )  # fmt: skip
    return TrainingPlan(
        data=options.train, development=options.dev, format=options.data_format, rules=reading_rules(options), base=options.base,
        settings=settings, epochs=options.epochs, device=options.device, threads=options.threads,
    )  # fmt: skip


def _finetune(options: argparse.Namespace) -> str:
    outcome = train(_plan(options), Path(options.out), resume=options.resume, progress=say)
    return "\n".join([_line(outcome, options.dev), f"next        clinspan-export {options.out} BUNDLE"])


def _train_bundle(options: argparse.Namespace) -> str:
    target = Path(options.out)
    trained = train_bundle(_plan(options), target, force=options.force, progress=say)
    lines = [_line(trained.outcome, options.dev), f"bundle      {target}"]
    if trained.scores is not None:
        lines.append("on the development documents, through the runtime (they selected the epoch):")
        lines.append(as_table(trained.scores))
    return "\n".join([*lines, f"next        clinspan extract --model {target} NOTE.txt"])


def _line(outcome: TrainingOutcome, development: str | None) -> str:
    score = "no development documents to measure on"
    if development is not None:
        score = f"F1 {outcome.best_score:.3f} on {development}"
    return f"checkpoint  epoch {outcome.best_epoch} of {len(outcome.scores)}, {score}"
