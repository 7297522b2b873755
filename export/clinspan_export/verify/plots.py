"""Draw the plots of a report: one colour for each model everywhere, the measure on the axis, an axis that shows .97 against 1."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

# Of each model, in every table and plot of a report; chosen for colour-blind readers too (Okabe and Ito 2008).
COLOURS = {"torch": "#4d4d4d", "fp32": "#0072b2", "fp16": "#009e73", "int8": "#d55e00"}
TITLES = {"torch": "PyTorch", "fp32": "fp32", "fp16": "fp16", "int8": "int8"}

# More rows than this cannot be read; the table beside the plot has every label.
_ROWS = 30
_LONGEST = 26
_MARKERS = "os^Dv"
# Narrow enough to be read on a phone, where a wider plot would shrink.
_WIDTH = 5.2

Draw = Callable[[Any], None]


def dots(axes: Any, columns: Mapping[str, Mapping[str, float]], measure: str) -> None:
    """Draw a row for each label, with a dot for each model; the labels with the lowest values come first.

    Args:
        axes: of matplotlib.
        columns: model -> label -> value from 0 to 1.
        measure: what the values are.
    """
    shown = lowest(columns)
    low, high = bounds(value for values in columns.values() for value in values.values())
    axes.hlines(range(len(shown)), low, high, color="#e4e4e4", linewidth=1, zorder=0)
    for number, (name, values) in enumerate(columns.items()):
        shift = 0.16 * (number - (len(columns) - 1) / 2)
        places = [(values[label], row + shift) for row, label in enumerate(shown) if label in values]
        axes.plot(*zip(*places, strict=True), "o", color=COLOURS[name], label=TITLES[name], markersize=6)
    axes.set_yticks(range(len(shown)), [_plain(label) for label in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(low, high + 0.02 * (high - low))
    axes.xaxis.set_major_locator(_ticks())
    axes.xaxis.set_major_formatter("{x:.3f}")
    axes.set_xlabel(measure + (f" (the axis begins at {low:.2f})" if low else ""))
    _finish(axes, 1.3 + 0.26 * len(shown))


def counts(axes: Any, columns: Mapping[str, Mapping[str, int]], measure: str) -> None:
    """Draw a bar for each kind and model."""
    kinds = list(next(iter(columns.values())))
    height = 0.8 / len(columns)
    for number, (name, values) in enumerate(columns.items()):
        places = [row + (number - (len(columns) - 1) / 2) * height for row in range(len(kinds))]
        drawn = axes.barh(
            places, [values[kind] for kind in kinds], height, color=COLOURS[name], label=TITLES[name]
        )
        axes.bar_label(drawn, padding=3)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(measure)
    _finish(axes, 1.2 + 0.24 * len(kinds) * len(columns))


def speeds(axes: Any, tuning: Mapping[str, Any]) -> None:
    """Draw F1 over speed for the windows of the aggregation that was chosen, a marker for each overlap."""
    chosen, colour = tuning["chosen"], COLOURS[tuning["precision"]]
    rows = [row for row in tuning["table"] if row["aggregation"] == chosen["aggregation"]]
    for number, overlap in enumerate(sorted({row["overlap"] for row in rows})):
        line = [row for row in rows if row["overlap"] == overlap]
        places = [[row["tokens_per_second"] for row in line], [row["f1"] for row in line]]
        marker = _MARKERS[number % len(_MARKERS)]
        axes.plot(
            *places,
            marker,
            color=colour,
            label=f"overlap {overlap}",
            fillstyle="full" if number == 0 else "none",
        )
        for row in line:
            place = (row["tokens_per_second"], row["f1"])
            beside = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
            axes.annotate(str(row["window"]), place, **beside)
    ring = {"color": "#1a1a1a", "markersize": 14, "fillstyle": "none", "linestyle": "none"}
    axes.plot([chosen["tokens_per_second"]], [chosen["f1"]], "o", label="in the bundle", **ring)
    axes.axhline(tuning["best_f1"], color="#8a8a8a", linewidth=1, label="best")
    axes.axhline(
        tuning["best_f1"] - tuning["margin"], color="#8a8a8a", linestyle=":", label="best less margin"
    )
    axes.margins(x=0.12)
    axes.yaxis.set_major_formatter("{x:.3f}")
    axes.set_xlabel("tokens per second (a label is the window)")
    axes.set_ylabel("exact F1")
    _finish(axes, 4.2)


def lowest(columns: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The labels with the lowest values, lowest first, as many as can be read."""
    labels = set[str]().union(*columns.values())
    least = {label: min(values[label] for values in columns.values() if label in values) for label in labels}
    return sorted(labels, key=lambda label: (least[label], label))[:_ROWS]


def bounds(values: Iterable[float]) -> tuple[float, float]:
    """Ends of an axis, in hundredths, between which values from 0 to 1 fill most of the room."""
    known = list(values)
    room = max(0.01, 0.08 * (max(known) - min(known)))
    low = math.floor(100 * (min(known) - room)) / 100
    return max(0.0, low), min(1.0, math.ceil(100 * (max(known) + room)) / 100)


def svg(draw: Draw) -> str:
    """Draw a plot as SVG; matplotlib escapes the labels in it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The salt and the missing date make equal reports equal files.
    with mpl.rc_context({"svg.hashsalt": "clinspan", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(_WIDTH, 3), layout="constrained")
        draw(figure.subplots())
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5)


def _finish(axes: Any, height: float) -> None:
    """Put the legend above the plot, where it hides nothing, and set the height."""
    columns: Sequence[Any] = axes.get_legend_handles_labels()[1]
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(columns) if len(columns) <= 4 else 3,
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.2,
        handletextpad=0.4,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.figure.set_figheight(height)


def _plain(label: str) -> str:
    """Shorten a label, and escape it for matplotlib, which reads $ as mathematics."""
    short = label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"
    return short.replace("$", r"\$")
