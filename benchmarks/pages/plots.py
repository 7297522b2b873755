"""Plots for docs/evidence/performance.md, from the results that are there: throughput, latency, cold start, growth.

python -m benchmarks plots          # writes docs/evidence/img/*.svg
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.pages.labels import label
from benchmarks.peers import OURS
from benchmarks.run.harness import ROOT
from benchmarks.run.record import rows

FOLDER = ROOT / "docs" / "evidence" / "img"
_OURS, _OTHERS = "#0b6e4f", "#9aa5b1"


def main(arguments: Sequence[str]) -> None:
    """Draw every plot."""
    draw_all()


def draw_all() -> None:
    """Draw every plot whose results exist."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "clinspan", "font.size": 9, "svg.fonttype": "none"})
    import matplotlib.pyplot as plt

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, draw in PLOTS.items():
        figure, axes = plt.subplots(figsize=(7, 3.6))
        try:
            draw(axes)
        except LookupError:
            continue
        finally:
            plt.close(figure)
        axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


def throughput(axes: Any) -> None:
    """A bar for each variant."""
    found = {name: row["kchars_per_s"] for name, row in rows("throughput").items()}
    _bars(axes, found, "thousand characters a second, two cores (longer is better)")


def coldstart(axes: Any) -> None:
    """A bar for each variant."""
    found = {name: row["first_spans_s"] for name, row in rows("coldstart").items()}
    _bars(axes, found, "seconds from the start of a process to the first spans (shorter is better)")


def latency(axes: Any) -> None:
    """A bar for each variant."""
    found = {name: row["short"]["p50_ms"] for name, row in rows("latency").items()}
    _bars(axes, found, "ms for a short message, median (shorter is better)")


def growth(axes: Any) -> None:
    """Speed against length, starter and the model of `growth`."""
    for name, model in (("growth_starter", "starter, int8"), ("growth", "BERT-base, int8")):
        found = rows(name, "characters")
        axes.plot(list(found), [row["kchars_per_s"] for row in found.values()], marker="o", ms=4, label=model)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("characters of one note")
    axes.set_ylabel("thousand characters a second")
    axes.legend(frameon=False)


def _bars(axes: Any, found: dict[str, float], title: str) -> None:
    order = sorted(found, key=lambda name: found[name])
    colours = [_OURS if name == OURS else _OTHERS for name in order]
    bars = axes.barh(range(len(order)), [found[name] for name in order], color=colours)
    axes.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
    axes.set_yticks(range(len(order)), [label(name) for name in order])
    axes.set_title(title, fontsize=9, loc="left")


PLOTS: dict[str, Callable[[Any], None]] = {
    "throughput": throughput,
    "latency": latency,
    "coldstart": coldstart,
    "growth": growth,
}
