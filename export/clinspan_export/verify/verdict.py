"""Judge a bundle: whether it is the same model, what quantization cost, and whether that is within the limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from clinspan.bundle.manifest import Bundle
from clinspan.documents.document import Document
from clinspan.documents.find import entities
from clinspan.documents.scores import Evaluation, evaluate
from clinspan.engine.providers import Device
from clinspan.engine.session import Session
from clinspan.errors import InferenceError
from clinspan.recognizer import Recognizer
from clinspan.text.decode import Span
from clinspan.text.tokenizer import Tokenizer
from clinspan_export.errors import ExportError
from clinspan_export.quiet import Progress
from clinspan_export.verify.compare import TOLERANCE, Agreement, check_shapes, compare, torch_reference
from clinspan_export.verify.limits import Limits, check_agreement, check_f1, check_fp32, low_agreement
from clinspan_export.verify.report import render, score_row
from clinspan_export.verify.samples import OWN_SAMPLES, check_labels, is_annotated, own_samples
from clinspan_export.verify.tune_windows import MARGIN


@dataclass(frozen=True, slots=True)
class Checks:
    """The notes that a bundle is judged on, and the limits it is held to.

    Attributes:
        samples: notes, annotated or not.
        source: name of these notes in reports.
        limits: limits beyond which the export fails.
        calibrate_on: notes that int8 and pruning look at; None for those to tune on, or else the samples.
        tune_on: annotated notes to choose windows on; None to leave the safe default.
        tune_source: name of these notes in reports.
        tune_margin: F1 below the best that a faster setting may have.
        show_text: let the HTML report quote the spans that differ.
        report: also write the HTML report here, whatever the verdict.
        files: where the notes were read from, which the export must not replace.
    """

    samples: Sequence[Document] = field(default_factory=own_samples)
    source: str = OWN_SAMPLES
    limits: Limits = field(default_factory=Limits)
    calibrate_on: Sequence[Document] | None = None
    tune_on: Sequence[Document] | None = None
    tune_source: str = ""
    tune_margin: float = MARGIN
    show_text: bool = False
    report: Path | None = None
    files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.limits.max_f1_loss is not None and not any(sample.entities for sample in self.samples):
            raise ExportError("--max-f1-loss needs gold: --notes FILE.jsonl with 'entities' in its lines")

    def calibration(self) -> Sequence[Document]:
        """The notes to calibrate on: where there are others, those that the bundle is judged on stay unseen."""
        return self.calibrate_on or self.tune_on or self.samples


def check_batches(model: Any, bundle: Bundle) -> None:
    """Hold the fp32 graph to PyTorch on batches and lengths of all kinds.

    Raises:
        ExportError: it differs, or cannot run one of them.
    """
    tokenizer = Tokenizer(bundle.file(bundle.tokenizer))
    session = Session(
        bundle.file(bundle.models["fp32"]), device=Device("cpu"), classes=len(bundle.labels.names)
    )
    try:
        check_shapes(model, session, tokenizer, bundle.max_window)
    except InferenceError as error:
        raise ExportError(f"the fp32 ONNX model is not the PyTorch model: {error}") from error


def judge(
    model: Any,
    bundle: Bundle,
    checks: Checks,
    *,
    keep: Sequence[str],
    progress: Progress,
    written_from: Any | None = None,
) -> Bundle:
    """Compare every model of a bundle with the original on notes, write the report, enforce the limits.

    Args:
        model: the PyTorch original.
        bundle: with its models in place; fp32 among them.
        checks: notes and limits.
        keep: precisions that will stay, which the limits apply to.
        progress: told each result in a line.
        written_from: the PyTorch model that the graphs hold, where it is not the original but was pruned from it.

    Returns:
        The bundle with its parity and evaluation reports; report.html lies in its folder.

    Raises:
        ExportError: a limit is broken; the message names the labels that suffered.
    """
    unscored = check_labels(checks.samples, bundle.labels.entities, checks.source)
    found, spans = _compare_all(model, bundle, checks.samples, progress)
    scores = _scores(bundle, checks.samples, spans)
    bundle = replace(
        bundle,
        parity=_parity_report(found, checks),
        evaluation=_evaluation_report(scores, checks, unscored) if scores else {},
    )
    fp32 = found["fp32"]
    if written_from is not None:
        fp32 = _compare_fp32(written_from, bundle, checks.samples, progress)
    failure = _failure(fp32, found, scores, checks.limits, keep)
    warnings = low_agreement([found[precision] for precision in keep], checks.limits)
    for line in warnings:
        progress(f"warning: {line}")
    _write_report(bundle, found, checks, failed="" if failure is None else str(failure), warnings=warnings)
    if failure is not None:
        raise failure
    return bundle


def _failure(
    fp32: Agreement,
    found: Mapping[str, Agreement],
    scores: Mapping[str, Evaluation],
    limits: Limits,
    keep: Sequence[str],
) -> ExportError | None:
    """The first limit that is broken, so that the report can say so before the export fails."""
    try:
        check_fp32(fp32)
        for precision in keep:
            check_agreement(limits, found[precision])
            if scores:
                check_f1(limits, precision, scores["torch"], scores[precision])
    except ExportError as error:
        return error
    return None


def _compare_all(
    model: Any, bundle: Bundle, samples: Sequence[Document], progress: Progress
) -> tuple[dict[str, Agreement], dict[str, Sequence[Sequence[Span]]]]:
    """Agreement by precision; spans of each note by precision, those of the original as `torch`."""
    reference = torch_reference(model, bundle, samples, progress)
    found: dict[str, Agreement] = {}
    for precision in bundle.models:
        try:
            recognizer = Recognizer.load(bundle.path, precision=precision)
            found[precision] = compare(reference, recognizer, samples, progress)
        except InferenceError as error:
            raise ExportError(f"{precision}: {error}") from error
        progress(f"{precision}: {found[precision].total.agreement:.3f} of spans agree with PyTorch")
    return found, {"torch": reference.spans, **{name: one.spans for name, one in found.items()}}


def _compare_fp32(model: Any, bundle: Bundle, samples: Sequence[Document], progress: Progress) -> Agreement:
    """Agreement of the fp32 graph with the model that it was written from."""
    reference = torch_reference(model, bundle, samples, progress)
    return compare(reference, Recognizer.load(bundle.path, precision="fp32"), samples, progress)


def _scores(
    bundle: Bundle, samples: Sequence[Document], spans: Mapping[str, Sequence[Sequence[Span]]]
) -> dict[str, Evaluation]:
    """Scores of PyTorch and of each precision on the annotated notes; empty where no note is annotated."""
    if not any(is_annotated(sample) for sample in samples):
        return {}
    return {
        name: evaluate(samples, [entities(one) for one in found], labels=bundle.labels.entities, resamples=0)
        for name, found in spans.items()
    }


def _parity_report(found: Mapping[str, Agreement], checks: Checks) -> dict[str, Any]:
    return {
        "source": checks.source,
        "notes": len(checks.samples),
        "characters": sum(len(sample.text) for sample in checks.samples),
        "tolerance": TOLERANCE,
        "limits": asdict(checks.limits),
        **{precision: agreement.as_json() for precision, agreement in found.items()},
    }


def _evaluation_report(
    scores: Mapping[str, Evaluation], checks: Checks, unscored: Sequence[str]
) -> dict[str, Any]:
    report: dict[str, Any] = {
        "source": checks.source,
        "notes": sum(is_annotated(sample) for sample in checks.samples),
        "unscored_labels": list(unscored),
    }
    for name, evaluation in scores.items():
        by_label = sorted(evaluation.by_label["exact"].items())
        labels = {label: score_row(score) for label, score in by_label if score.annotated or score.found}
        report[name] = {**score_row(evaluation.micro["exact"]), "labels": labels}
    return report


def _write_report(
    bundle: Bundle, found: Mapping[str, Agreement], checks: Checks, *, failed: str, warnings: Sequence[str]
) -> None:
    changes = []
    for precision, agreement in found.items() if checks.show_text else ():
        changes += [(precision, change) for change in agreement.changes]
    page = render(bundle, changes, failed=failed, warnings=warnings)
    for path in (bundle.path / "report.html", checks.report):
        if path is not None:
            path.write_text(page, encoding="utf-8")
