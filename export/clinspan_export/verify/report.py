"""Write the manifest's reports as one HTML page with plots; no text of a note unless it was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from clinspan.bundle.integrity import whole_size
from clinspan.bundle.manifest import Bundle
from clinspan.documents.scores import Score
from clinspan_export.verify.plots import COLOURS, TITLES, counts, dots, speeds, svg
from clinspan_export.verify.span_diff import KINDS, Change


def render(
    bundle: Bundle,
    changes: Sequence[tuple[str, Change]] = (),
    *,
    failed: str = "",
    warnings: Sequence[str] = (),
) -> str:
    """Write the page.

    Args:
        bundle: with its parity, evaluation and tuning reports.
        changes: precision and span to quote; empty for a page without any text of the notes.
        failed: why the export failed; empty where it did not.
        warnings: what a reader should know although the export did not fail.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    sides = [name for name in COLOURS if name in bundle.parity or (name == "torch" and bundle.evaluation)]
    precisions = [name for name in sides if name != "torch"]
    labels = set[str]().union(*(bundle.parity[name]["labels"] for name in precisions))
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(kinds=KINDS, digits=digits, colours=COLOURS, titles=TITLES)
    template = environment.from_string(
        files("clinspan_export.verify").joinpath("report.html.j2").read_text(encoding="utf-8")
    )
    return template.render(
        bundle=bundle,
        parity=bundle.parity,
        evaluation=bundle.evaluation,
        tuning=bundle.tuning,
        sides=sides,
        precisions=precisions,
        summary=list(_summary(bundle, sides)),
        labels=sorted(labels),
        plots=[(title, caption, Markup(plot)) for title, caption, plot in _plots(bundle, sides)],
        changes=changes,
        failed=failed,
        warnings=warnings,
    )


def digits(score: float) -> str:
    """Write an F1, a precision, a recall or an agreement: with as many digits everywhere."""
    return f"{score:.4f}"


def _summary(bundle: Bundle, sides: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """List the measures of each model, a row for each; a cell is empty where a model does not have it."""
    sizes = {name: f"{whole_size(record) / 1e6:.1f}" for name, record in bundle.models.items()}
    times = {name: f"{value:.1f}" for name, value in bundle.provenance.get("window_ms", {}).items()}
    yield "size, MB", [sizes.get(name, "") for name in sides]
    if times:
        yield "CPU time of a window, ms", [times.get(name, "") for name in sides]
    if bundle.evaluation:
        for field, title in (("f1", "exact F1"), ("precision", "precision"), ("recall", "recall")):
            yield title, [digits(bundle.evaluation[name][field]) for name in sides]
    reports = [bundle.parity.get(name) for name in sides]
    yield "agreement", ["" if row is None else digits(row["span_agreement_f1"]) for row in reports]
    for field, title in (
        ("spans_torch", "spans of PyTorch"),
        ("spans_onnx", "spans found"),
        ("spans_same", "same"),
    ):
        yield title, ["" if row is None else f"{row[field]:,}" for row in reports]
    for kind in KINDS:
        yield kind, ["" if row is None else f"{row[kind]:,}" for row in reports]
    yield (
        "largest logit difference",
        ["" if row is None else f"{row['max_logit_difference']:.2g}" for row in reports],
    )
    yield "decided labels flipped", ["" if row is None else f"{row['flipped_labels']:,}" for row in reports]


def _plots(bundle: Bundle, sides: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Title, caption and SVG of each plot that there is something to draw for."""
    parity, evaluation, tuning = bundle.parity, bundle.evaluation, bundle.tuning
    precisions = [name for name in sides if name != "torch"]
    agreement = {name: _column(parity[name], "span_agreement_f1") for name in precisions}
    order = "The labels with the lowest values come first."
    if any(agreement.values()):
        shown = {name: values for name, values in agreement.items() if values}
        yield "Agreement with PyTorch, per label", order, svg(lambda axes: dots(axes, shown, "agreement, F1"))
    changed = {name: {kind: parity[name][kind] for kind in KINDS} for name in precisions}
    if any(any(values.values()) for values in changed.values()):
        yield "Spans that differ", "By what became of them.", svg(lambda axes: counts(axes, changed, "spans"))
    scores = {name: _column(evaluation[name], "f1") for name in sides} if evaluation else {}
    if any(scores.values()):
        shown_scores = {name: values for name, values in scores.items() if values}
        yield "F1 against gold, per label", order, svg(lambda axes: dots(axes, shown_scores, "exact F1"))
    if tuning:
        caption = (
            f"With {tuning['precision']}, aggregation {tuning['chosen']['aggregation']}. Best is the highest F1 of all settings; between "
            "the lines a faster setting counts as good."
        )
        yield "F1 and speed of windows", caption, svg(lambda axes: speeds(axes, tuning))


def score_row(score: Score) -> dict[str, float | int]:
    """Record of a score for the manifest."""
    return {
        "f1": round(score.f1, 4),
        "precision": round(score.precision, 4),
        "recall": round(score.recall, 4),
        "gold": score.annotated,
        "found": score.found,
        "right": score.hits,
    }


def _column(report: Mapping[str, Any], field: str) -> dict[str, float]:
    return {label: row[field] for label, row in report["labels"].items()}
