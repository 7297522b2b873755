"""Tables of vectors and labels of short texts beside other libraries, and their targets."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.pages.labels import label, table
from benchmarks.run.record import rows

_FP32, _OURS = "clinspan_fp32", "clinspan"


def embedding() -> str:
    """Texts a second, CPU time, one text alone, the first vector, memory, and how near the vectors are to the first row's."""
    lines = [
        (
            label(name),
            f"{row['texts_per_s']:.0f}",
            f"{row['cpu_ms_a_text']:.1f}",
            f"{row['lone_text_ms']:.1f}",
            f"{row['first_answer_s']:.2f}",
            f"{row['peak_mb']:.0f}",
            f"{row['largest_difference']:.1e}" if row["largest_difference"] else "",
        )
        for name, row in rows("embedding").items()
    ]
    head = (
        "texts/s",
        "CPU ms a text",
        "one text alone, ms",
        "first vector after, s",
        "peak MB",
        "largest difference",
    )
    return table(("", *head), lines)


def classification() -> str:
    """Pairs a second, CPU time, one alone, the first labels, memory, and how often the label is the first row's."""
    lines = [
        (
            label(name),
            f"{row['texts_per_s']:.0f}",
            f"{row['cpu_ms_a_text']:.1f}",
            f"{row['lone_text_ms']:.1f}",
            f"{row['first_answer_s']:.2f}",
            f"{row['peak_mb']:.0f}",
            f"{100 * row['agreement']:.1f} %",
        )
        for name, row in rows("classification").items()
    ]
    head = (
        "pairs/s",
        "CPU ms a pair",
        "one pair alone, ms",
        "first labels after, s",
        "peak MB",
        "same label",
    )
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
