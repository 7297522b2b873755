"""The verdict on a bundle: is it the same model, what did quantization cost, and is that within the limits?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clinspan.bundle.manifest import Bundle
from clinspan.engine.session import Device, Session
from clinspan.errors import InferenceError
from clinspan.recognizer import Recognizer
from clinspan.text.decode import Span
from clinspan.text.tokenizer import Tokenizer
from clinspan_export.errors import ExportError
from clinspan_export.verify import compare as parity
from clinspan_export.verify import limits as gates
from clinspan_export.verify import report
from clinspan_export.verify import tune_windows as tune
from clinspan_export.verify.compare import TOLERANCE, Agreement
from clinspan_export.verify.limits import Gates, Scores
from clinspan_export.verify.notes import Sample, check_labels, own_samples, read_samples
from clinspan_export.verify.scores import score

OWN_SAMPLES = "built-in samples"


@dataclass(frozen=True, slots=True)
class Checks:
    """What a bundle is judged on, and the limits it is held to.

    Attributes:
        samples: notes, with gold or without.
        source: what these notes are called in reports.
        gates: limits beyond which the export fails.
        tune_on: annotated notes to choose windows on; None to leave the safe default.
        tune_source: what these are called in reports.
        tune_margin: F1 below the best that a faster setting may have.
        show_text: let the HTML report quote the spans that differ.
        report: also write the HTML report here, whatever the verdict.
    """

    samples: Sequence[Sample] = field(default_factory=own_samples)
    source: str = OWN_SAMPLES
    gates: Gates = field(default_factory=Gates)
    tune_on: Sequence[Sample] | None = None
    tune_source: str = ""
    tune_margin: float = tune.MARGIN
    show_text: bool = False
    report: Path | None = None

    def __post_init__(self) -> None:
        if self.gates.max_f1_loss is not None and not any(sample.gold for sample in self.samples):
            raise ExportError("--max-f1-loss needs gold: --notes FILE.jsonl with 'entities' in its lines")


def tuning_notes(path: Path) -> list[Sample]:
    """Read annotated notes to tune on.

    Raises:
        ExportError: they cannot be read, or call themselves a test set.
    """
    samples = read_samples(path)
    tune.refuse_test_set(path, samples)
    return samples


def check_graph(model: Any, bundle: Bundle) -> None:
    """Hold the fp32 graph to PyTorch on batches and lengths of all kinds.

    Raises:
        ExportError: it is another model.
    """
    tokenizer = Tokenizer(bundle.file(bundle.tokenizer))
    session = Session(
        bundle.file(bundle.models["fp32"]), device=Device("cpu"), classes=len(bundle.labels.names)
    )
    try:
        parity.check_shapes(model, session, tokenizer, bundle.max_window)
    except InferenceError as error:
        raise ExportError(f"the fp32 ONNX model is not the PyTorch model: {error}") from error


def judge(
    model: Any,
    bundle: Bundle,
    checks: Checks,
    *,
    keep: Sequence[str],
    progress: Callable[[str], None],
) -> Bundle:
    """Compare every model of a bundle with the original on notes, write the report, enforce the limits.

    Args:
        model: the PyTorch original.
        bundle: with its models in place; fp32 among them.
        checks: notes and limits.
        keep: precisions that will stay, which the limits apply to.
        progress: told each result in a line.

    Returns:
        The bundle with its parity and evaluation reports; report.html lies in its folder.

    Raises:
        ExportError: a limit is broken; the message names the labels that suffered.
    """
    samples = checks.samples
    unscored = check_labels(samples, bundle.labels.entities, checks.source)
    reference = parity.torch_reference(model, bundle, samples)
    found: dict[str, Agreement] = {}
    for precision in bundle.models:
        try:
            found[precision] = parity.compare(
                reference, Recognizer.load(bundle.path, precision=precision), samples
            )
        except InferenceError as error:
            raise ExportError(f"{precision}: {error}") from error
        progress(f"{precision}: {found[precision].total.f1:.3f} of spans agree with PyTorch")
    scores = _scores(bundle, samples, {"torch": reference.spans, **{p: a.spans for p, a in found.items()}})
    bundle = replace(
        bundle,
        parity=_parity_report(found, checks),
        evaluation=_evaluation_report(scores, checks, unscored) if scores else {},
    )
    _write_report(bundle, found, checks)
    gates.check_exact(found["fp32"])
    for precision in keep:
        gates.check_agreement(checks.gates, found[precision])
        if scores:
            gates.check_f1(checks.gates, precision, scores["torch"], scores[precision])
    return bundle


def _scores(
    bundle: Bundle, samples: Sequence[Sample], found: Mapping[str, Sequence[Sequence[Span]]]
) -> dict[str, Scores]:
    """Scores of PyTorch and of each precision on the annotated notes; empty where there are none."""
    if all(sample.gold is None for sample in samples):
        return {}
    known = set(bundle.labels.entities)
    gold = [None if s.gold is None else [place for place in s.gold if place[0] in known] for s in samples]
    return {
        name: score(
            (true, [(s.label, s.start, s.end) for s in spans])
            for true, spans in zip(gold, several, strict=True)
            if true is not None
        )
        for name, several in found.items()
    }


def _parity_report(found: Mapping[str, Agreement], checks: Checks) -> dict[str, Any]:
    return {
        "source": checks.source,
        "notes": len(checks.samples),
        "characters": sum(len(sample.text) for sample in checks.samples),
        "tolerance": TOLERANCE,
        "gates": {"min_agreement": checks.gates.min_agreement, "max_f1_loss": checks.gates.max_f1_loss},
        **{precision: agreement.as_json() for precision, agreement in found.items()},
    }


def _evaluation_report(
    scores: Mapping[str, Scores], checks: Checks, unscored: Sequence[str]
) -> dict[str, Any]:
    return {
        "source": checks.source,
        "notes": sum(sample.gold is not None for sample in checks.samples),
        "unscored_labels": list(unscored),
        **{
            name: {**total.as_json(), "labels": {label: row.as_json() for label, row in labels.items()}}
            for name, (total, labels) in scores.items()
        },
    }


def _write_report(bundle: Bundle, found: Mapping[str, Agreement], checks: Checks) -> None:
    changes = [(p, change) for p, a in found.items() for change in a.changes] if checks.show_text else []
    page = report.render(bundle, changes)
    for path in (bundle.path / "report.html", checks.report):
        if path is not None:
            path.write_text(page, encoding="utf-8")
