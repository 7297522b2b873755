"""Write the manifest's reports as one HTML page with plots; no text of a note unless it was asked for."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from clinspan.bundle.manifest import PRECISIONS, Bundle
from clinspan.documents.scores import Score
from clinspan_export.verify.span_diff import KINDS, Change

# More bars than this cannot be read; the table beside the plot has every label.
_BARS = 30


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

    precisions = [name for name in ("fp32", "fp16", "int8") if name in bundle.parity]
    # Drawn here; matplotlib escapes the labels in it.
    plots = [(title, Markup(_svg(draw))) for title, draw in _plots(bundle, precisions)]
    labels = set[str]().union(*(bundle.parity[name]["labels"] for name in precisions))
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["kinds"] = KINDS
    template = environment.from_string(
        files("clinspan_export.verify").joinpath("report.html.j2").read_text(encoding="utf-8")
    )
    return template.render(
        bundle=bundle,
        parity=bundle.parity,
        evaluation=bundle.evaluation,
        tuning=bundle.tuning,
        precisions=precisions,
        labels=sorted(labels),
        plots=plots,
        changes=changes,
        failed=failed,
        warnings=warnings,
    )


Draw = Callable[[Any], None]


def _plots(bundle: Bundle, precisions: Sequence[str]) -> list[tuple[str, Draw]]:
    parity, evaluation, tuning = bundle.parity, bundle.evaluation, bundle.tuning
    shown = [name for name in precisions if name != "fp32"] or list(precisions)
    plots: list[tuple[str, Draw]] = []
    agreement = {name: _column(parity[name], "span_agreement_f1") for name in shown}
    if any(agreement.values()):
        plots.append(("Span agreement with PyTorch, per label", lambda axes: _bars(axes, agreement)))
    if any(any(parity[name][kind] for kind in KINDS) for name in precisions):
        plots.append(("Spans that differ", lambda axes: _stacks(axes, parity, precisions)))
    if evaluation:
        sides = [name for name in ("torch", *PRECISIONS) if name in evaluation]
        scores = {name: _column(evaluation[name], "f1") for name in sides}
        plots.append(("F1 against gold, per label", lambda axes: _bars(axes, scores)))
    if tuning:
        plots.append(("F1 and speed of windows", lambda axes: _speeds(axes, tuning)))
    return plots


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


def _bars(axes: Any, columns: Mapping[str, Mapping[str, float]]) -> None:
    """Draw a bar for each label and column, the labels with the lowest values first."""
    labels = set[str]().union(*columns.values())
    lowest = {label: min(values.get(label, 1.0) for values in columns.values()) for label in labels}
    shown = sorted(labels, key=lambda label: (lowest[label], label))[:_BARS][::-1]
    height = 0.8 / len(columns)
    for number, (name, values) in enumerate(columns.items()):
        places = [row - number * height for row in range(len(shown))]
        axes.barh(places, [values.get(label, 0.0) for label in shown], height, label=name)
    middle = (len(columns) - 1) * height / 2
    axes.set_yticks([row - middle for row in range(len(shown))], [_plain(label) for label in shown])
    axes.set_xlim(0, 1)
    _legend(axes)
    axes.figure.set_figheight(1.2 + 0.3 * len(shown))


def _stacks(axes: Any, parity: Mapping[str, Any], precisions: Sequence[str]) -> None:
    left = [0] * len(precisions)
    for kind in KINDS:
        widths = [parity[name][kind] for name in precisions]
        axes.barh(list(precisions), widths, left=left, label=kind)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_xlabel("spans")
    _legend(axes)
    axes.figure.set_figheight(1.4 + 0.4 * len(precisions))


def _speeds(axes: Any, tuning: Mapping[str, Any]) -> None:
    chosen = tuning["chosen"]
    rows = [row for row in tuning["table"] if row["aggregation"] == chosen["aggregation"]]
    for overlap in sorted({row["overlap"] for row in rows}):
        line = [row for row in rows if row["overlap"] == overlap]
        speeds, scores = [row["tokens_per_second"] for row in line], [row["f1"] for row in line]
        axes.plot(speeds, scores, "o", label=f"overlap {overlap}")
        for row in line:
            axes.annotate(f" {row['window']}", (row["tokens_per_second"], row["f1"]))
    axes.plot(
        [chosen["tokens_per_second"]], [chosen["f1"]], "o", markersize=14, fillstyle="none", label="chosen"
    )
    axes.axhline(tuning["best_f1"] - tuning["margin"], linestyle=":", label="margin")
    axes.set_xlabel("tokens per second")
    axes.set_ylabel("F1")
    _legend(axes)
    axes.figure.set_figheight(4)


def _legend(axes: Any) -> None:
    """Put the legend beside the plot: inside, it would hide some of what it explains."""
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _plain(label: str) -> str:
    """Escape a label for matplotlib, which reads $ as mathematics."""
    return label.replace("$", r"\$")


def _svg(draw: Draw) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The salt and the missing date make equal reports equal files.
    with mpl.rc_context({"svg.hashsalt": "clinspan", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 3), layout="constrained")
        draw(figure.subplots())
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
