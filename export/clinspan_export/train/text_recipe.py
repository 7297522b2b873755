"""Train as `clinspan-export finetune-texts` and `train-bundle-texts` do: read, fine-tune, export, measure."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from clinspan.bundle.manifest import open_bundle
from clinspan.classifier import Classifier
from clinspan.documents.label_scores.measures import Labelling, measure_labels
from clinspan.documents.labelled import LabelledText, read_labelled
from clinspan.errors import InputError
from clinspan.text.merge import Scoring
from clinspan_export.inspection.output_folder import check_target
from clinspan_export.quiet import Progress
from clinspan_export.texts.text_compare import TextLimits
from clinspan_export.texts.text_export import TextChecks, export_texts
from clinspan_export.train.plan_checks import check_base, check_checkpoint_folder, check_device
from clinspan_export.train.recipe import default_base
from clinspan_export.train.settings import at_least_one
from clinspan_export.train.text_settings import TextOutcome, TextSettings

# Texts that the exported models are compared with PyTorch on: enough for shares to a percent, and a minute of work.
_COMPARED = 300


@dataclass(frozen=True, slots=True)
class TextPlan:
    """The texts to train on, the weights to start from, and how.

    Attributes:
        data: texts with labels, as in `read_labelled`.
        development: texts to select the best epoch and thresholds on; None to take the last epoch.
        label_field: field that holds the labels; None for `label` or `labels`.
        several: a text may have any number of labels; also so where some text has several or none.
        merge, scale: how the windows of one text are merged, as in `clinspan.text.merge.Scoring`.
        base: encoder to start from, folder or Hub id; None for MiniLM.
        settings: how to train.
        device: "cpu", "cuda" or another torch device.
        threads: cores to use; None for all.
    """

    data: str
    development: str | None = None
    label_field: str | None = None
    several: bool = False
    merge: str = "mean"
    scale: str = "logits"
    base: str | None = None
    settings: TextSettings = field(default_factory=TextSettings)
    device: str = "cpu"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.threads is not None:
            at_least_one("threads", self.threads)


@dataclass(frozen=True, slots=True)
class TrainedTexts:
    """The outcome of the training, and the bundle's scores on the development texts where there are some."""

    outcome: TextOutcome
    scores: Labelling | None


def train_texts(plan: TextPlan, out: Path, *, progress: Progress) -> TextOutcome:
    """Fine-tune a checkpoint of a classifier.

    Args:
        plan: on which texts, from which weights, and how.
        out: folder for the checkpoint.
        progress: told how far it is, a line at a time.

    Raises:
        InputError: the texts cannot be trained on, or the device or the window is not available.
        ExportError: `out` holds something already, or the base cannot be loaded.
    """
    import torch

    from clinspan_export.train.text_finetune import finetune_texts

    base = default_base() if plan.base is None else plan.base
    check_checkpoint_folder(out, [plan.data, plan.development, base], resume=False)
    check_device(plan.device)
    check_base(base, plan.settings.window)
    if plan.threads is not None:
        torch.set_num_threads(plan.threads)
    texts = _read(plan.data, plan.label_field)
    scoring = scoring_of(texts, plan)
    development = [] if plan.development is None else read_development(plan.development, plan, scoring)
    progress(f"{len(texts)} texts to train on, {len(development)} to select on, {len(scoring.names)} labels")
    out.mkdir(parents=True, exist_ok=True)
    return finetune_texts(
        texts, development, base, out, scoring=scoring, settings=plan.settings, device=plan.device,
        progress=progress,
    )  # fmt: skip


def train_texts_bundle(plan: TextPlan, target: Path, *, force: bool, progress: Progress) -> TrainedTexts:
    """Fine-tune a checkpoint, export it, and measure the bundle on the development texts.

    Args:
        plan: on which texts, from which weights, and how.
        target: folder to make; its name becomes the model's.
        force: replace `target` where it exists.
        progress: told how far it is, a line at a time.

    Raises:
        ExportError: `target` exists, or the export failed.
        InputError: the texts cannot be trained on.
    """
    base = default_base() if plan.base is None else plan.base
    check_target(target, [plan.data, plan.development, base], force=force)
    check_base(base, plan.settings.window)
    with tempfile.TemporaryDirectory(prefix="clinspan-train-") as work:
        checkpoint = Path(work, target.resolve().name)
        outcome = train_texts(plan, checkpoint, progress=progress)
        checks = TextChecks()
        if plan.development is not None:
            compared = _read(plan.development, plan.label_field)[:_COMPARED]
            checks = TextChecks(
                [one.text for one in compared], Path(plan.development).name,
                [one.labels for one in compared], TextLimits(), files=(Path(plan.development),),
            )  # fmt: skip
        export_texts(str(checkpoint), target, checks=checks, force=force, progress=progress)
    if plan.development is None:
        return TrainedTexts(outcome, None)
    return TrainedTexts(outcome, measure(target, _read(plan.development, plan.label_field), "development"))


def measure(bundle: Path, texts: Sequence[LabelledText], name: str) -> Labelling:
    """Evaluate a bundle through the runtime, and note the scores in its manifest under `name`."""
    with Classifier.load(bundle) as classifier:
        found = list(classifier.pipe(one.text for one in texts))
        names, problem = classifier.labels, classifier.problem
    places = {label: at for at, label in enumerate(names)}
    scores, chosen = np.zeros((len(texts), len(names))), np.zeros((len(texts), len(names)), np.bool_)
    for at, answer in enumerate(found):
        for one in answer:
            scores[at, places[one.label]], chosen[at, places[one.label]] = one.score, one.chosen
    truth = np.array([[label in one.labels for label in names] for one in texts], np.bool_)
    measured = measure_labels(truth, scores, chosen, names, single=problem == "single-label")
    opened = open_bundle(bundle)
    noted = ("accuracy", "micro_precision", "micro_recall", "micro_f1", "macro_f1", "calibration_error")
    figures = {"texts": len(texts), **{key: _number(getattr(measured, key)) for key in noted}}
    intervals = {key: [_number(edge) for edge in ends] for key, ends in measured.intervals.items()}
    record = json.loads(json.dumps({**figures, "intervals": intervals}))
    replace(opened, evaluation={**opened.evaluation, name: record}).write_manifest()
    return measured


def read_development(path: str, plan: TextPlan, scoring: Scoring) -> list[LabelledText]:
    """Read the texts to select on, without labels that training never saw and so cannot find."""
    known = set(scoring.names)
    texts = [replace(one, labels=one.labels & known) for one in _read(path, plan.label_field)]
    if scoring.problem == "single-label" and any(len(one.labels) != 1 for one in texts):
        raise InputError(f"{path}: a text has several labels, none, or one that {plan.data} does not have")
    return texts


def scoring_of(texts: Sequence[LabelledText], plan: TextPlan) -> Scoring:
    """The labels of the texts in order, and how they are to be scored."""
    names: set[str] = set()
    for one in texts:
        names |= one.labels
    pairs = [not isinstance(one.text, str) for one in texts]
    if any(pairs) != all(pairs):
        raise InputError(f"{plan.data}: some texts are pairs and some are not")
    several = plan.several or any(len(one.labels) != 1 for one in texts)
    if len(names) < (1 if several else 2):
        raise InputError(f"{plan.data}: {len(names)} labels in all: expected two to decide between")
    problem = "multi-label" if several else "single-label"
    return Scoring(tuple(sorted(names)), problem, plan.merge, plan.scale, pairs=all(pairs))


def _read(path: str, label_field: str | None) -> list[LabelledText]:
    texts = list(read_labelled(path, label_field=label_field))
    if not texts:
        raise InputError(f"{path}: no text")
    return texts


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
