"""Tables of vectors and labels of short texts beside other libraries, and their targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.pages.labels import label, table
from benchmarks.run.record import rows

_FP32, _OURS = "clinspan_fp32", "clinspan"


def embedding() -> str:
    """Texts a second, CPU time, one text alone, the first vector, memory, and how near the vectors are to the first row's."""

    def nearness(row: Any) -> str:
        return f"{row['largest_difference']:.1e}" if row["largest_difference"] else ""

    return _beside_others("embedding", "text", "first vector after, s", "largest difference", nearness)


def classification() -> str:
    """Pairs a second, CPU time, one alone, the first labels, memory, and how often the label is the first row's."""

    def agreement(row: Any) -> str:
        return f"{100 * row['agreement']:.1f} %"

    return _beside_others("classification", "pair", "first labels after, s", "same label", agreement)


def _beside_others(question: str, unit: str, first: str, last: str, kept: Callable[[Any], str]) -> str:
    """The table of a question; its last column, headed `last`, is what `kept` says of a row."""
    lines = [
        (
            label(name),
            f"{row['texts_per_s']:.0f}",
            f"{row['cpu_ms_a_text']:.1f}",
            f"{row['lone_text_ms']:.1f}",
            f"{row['first_answer_s']:.2f}",
            f"{row['peak_mb']:.0f}",
            kept(row),
        )
        for name, row in rows(question).items()
    ]
    head = (f"{unit}s/s", f"CPU ms a {unit}", f"one {unit} alone, ms", first, "peak MB", last)
    return table(("", *head), lines)


def ahead(question: str, figure: str, *, more: bool) -> Callable[[], float]:
    """How many times better our fp32 is than the best of the others; `more` where a larger figure is better."""

    def measure() -> float:
        found = rows(question)
        others = [
            row[figure] for name, row in found.items() if not name.startswith(_OURS) and "int8" not in name
        ]
        ours = found[_FP32][figure]
        return float(ours / max(others) if more else min(others) / ours)

    return measure


def difference() -> float:
    """The largest difference of a number of a vector from sentence-transformers on torch, in millionths."""
    return 1e6 * float(rows("embedding")[_FP32]["largest_difference"])
