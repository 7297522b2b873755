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
_BEST = '"best": with the best settings that its documentation names; without: at its defaults'
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
        figure, axes = plt.subplots(figsize=(7, 3.9))
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
    """Draw a bar for each variant."""
    found = {name: row["kchars_per_s"] for name, row in rows("throughput").items()}
    _bars(axes, found, "thousand characters a second on two cores (more is better)", digits=1)


def coldstart(axes: Any) -> None:
    """Draw a bar for each variant."""
    found = {name: row["first_spans_s"] for name, row in rows("coldstart").items()}
    _bars(axes, found, "seconds from the start of a process to its first spans (less is better)", digits=2)


def latency(axes: Any) -> None:
    """Draw a bar for each variant."""
    found = {name: row["short"]["p50_ms"] for name, row in rows("latency").items()}
    _bars(axes, found, "milliseconds for a short message, median (less is better)", digits=0)


def growth(axes: Any) -> None:
    """Speed against length, starter and the model of `growth`."""
    for name, model in (("growth_starter", "starter, int8"), ("growth", "BERT-base, int8")):
        found = rows(name, "characters")
        axes.plot(list(found), [row["kchars_per_s"] for row in found.values()], marker="o", ms=4, label=model)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("characters of one note")
    axes.set_ylabel("thousand characters a second")
    axes.xaxis.set_major_formatter(lambda characters, _: f"{characters:,.0f}")
    axes.legend(frameon=False, loc="center right")


def _bars(axes: Any, found: dict[str, float], measure: str, *, digits: int) -> None:
    """Draw a bar for each variant, all with the same number of digits; the axis says what is measured."""
    order = sorted(found, key=lambda name: found[name])
    colours = [_OURS if name == OURS else _OTHERS for name in order]
    bars = axes.barh(range(len(order)), [found[name] for name in order], color=colours)
    axes.bar_label(bars, fmt=f"%.{digits}f", padding=3, fontsize=8)
    axes.set_yticks(range(len(order)), [label(name) for name in order])
    note = f"\n{_BEST}" if any(name.endswith("_best") for name in order) else ""
    axes.set_xlabel(f"{measure}{note}", loc="left")


PLOTS: dict[str, Callable[[Any], None]] = {
    "throughput": throughput,
    "latency": latency,
    "coldstart": coldstart,
    "growth": growth,
}
