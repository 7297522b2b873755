"""More about an evaluation than its scores: kinds of errors, confusions between labels, thresholds; for a terminal and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clinspan.documents.document import Document, Entity
from clinspan.documents.error_analysis.mistakes import ERRORS, Pair, confusion, count_kinds, pairs
from clinspan.documents.error_analysis.thresholds import SHOWN, LabelThresholds, thresholds

NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class Details:
    """The errors behind scores.

    Attributes:
        paired: for each document, which finding answers which annotation.
        errors: label, then kind of error, then how many.
        confusion: annotated label, then found label, then how many; "" stands for nothing.
        thresholds: by label.
    """

    paired: tuple[tuple[Pair, ...], ...]
    errors: Mapping[str, Mapping[str, int]]
    confusion: Mapping[str, Mapping[str, int]]
    thresholds: Mapping[str, LabelThresholds]


def look_closer(
    gold: Sequence[Document],
    found: Sequence[Sequence[Entity]],
    scores: Sequence[Sequence[float]],
    labels: Sequence[str],
) -> Details:
    """Pair annotations with findings, and count what the pairs are.

    Args:
        gold: annotated documents.
        found: for each document, what was found in it.
        scores: the score of each of these.
        labels: those that are scored.
    """
    paired = tuple(
        tuple(pairs(document, those, labels, dict(zip(those, values, strict=True))))
        for document, those, values in zip(gold, found, scores, strict=True)
    )
    return Details(paired, count_kinds(paired), confusion(paired), thresholds(gold, found, scores, labels))


def details_for_json(details: Details) -> dict[str, Any]:
    """The details without the pairs, which lead to places in the text."""
    return {
        "errors": details.errors,
        "confusion": {
            annotated or NOTHING: {found or NOTHING: count for found, count in row.items()}
            for annotated, row in details.confusion.items()
        },
        "thresholds": {label: asdict(table) for label, table in details.thresholds.items()},
    }


def error_line(details: Details) -> str:
    """All kinds of errors in one line, and the most frequent with their labels."""
    totals = {kind: sum(row.get(kind, 0) for row in details.errors.values()) for kind in ERRORS}
    if not sum(totals.values()):
        return "errors: none"
    single = sorted(
        ((count, label, kind) for label, row in details.errors.items() for kind, count in row.items()),
        key=lambda one: (-one[0], one[1:]),
    )
    most = ", ".join(f"{label} {kind} {count:,}" for count, label, kind in single[:3])
    shown = ", ".join(f"{kind} {count:,}" for kind, count in totals.items() if count)
    return f"errors: {shown}; most often {most}"


def details_table(details: Details) -> str:
    """Tables of errors by label and kind, of confusions, and of thresholds."""
    tables = []
    if details.errors:
        rows = [
            [label, *(f"{row.get(kind, 0):,}" for kind in ERRORS)] for label, row in details.errors.items()
        ]
        tables.append(aligned([["errors", *ERRORS], *rows]))
    annotated = sorted(details.confusion, key=lambda label: (not label, label))
    found = sorted(
        {label for row in details.confusion.values() for label in row}, key=lambda label: (not label, label)
    )
    rows = []
    for one in annotated:
        counts = (details.confusion[one].get(other, 0) for other in found)
        rows.append([one or NOTHING, *(f"{count:,}" if count else "." for count in counts)])
    tables.append(aligned([["annotated \\ found", *(other or NOTHING for other in found)], *rows]))
    tables.append(_threshold_table(details.thresholds))
    return "\n\n".join(tables)


def _threshold_table(tables: Mapping[str, LabelThresholds]) -> str:
    head = ["threshold: P/R", *(f"{step:g}" for step in SHOWN), "best", "its F1", "F1 at 0"]
    rows = [head]
    for label, table in tables.items():
        cells = [f"{row.precision:.2f}/{row.recall:.2f}" for row in table.table]
        best = table.best
        rows.append([label, *cells, f"{best.threshold:g}", f"{best.f1:.3f}", f"{table.table[0].f1:.3f}"])
    return aligned(rows) + "\nthe best thresholds were chosen on these documents: confirm them on others"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Lay out cells in columns, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
