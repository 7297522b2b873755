"""The doses of one drug, one after another: tapers, mornings and evenings, the old and the new."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clinspan.clinical.doses.attachment import Item
from clinspan.clinical.records import PARTS, Regimen, SpanLike

_THEN = re.compile(
    r"\b(?:then|followed by|thereafter|afterwards|subsequently|alternating with|alternated with)\b", re.I
)
_TO = re.compile(r"\s*(?:(?:daily|once daily|a day|per day)\s+)?(?:up |down )?to\s*$", re.IGNORECASE)
_FROM = re.compile(r"\bfrom\b", re.IGNORECASE)
_RANGE = re.compile(r"\s*(?:/|\+|-|–|to|or|\(|of)\s*|\s*\(?\s*", re.IGNORECASE)
_ALTERNATING = re.compile(r"\balternat(?:e|es|ing|ed) with\b", re.IGNORECASE)

# How far before a dose the "from" of a change is looked for.
_BEFORE = 40


def steps(note: str, drug: Item, parts: Sequence[Item]) -> list[Regimen]:
    """Make a drug's regimens of its parts, in text order: a new one where a part would be said twice."""
    doses: list[dict[str, list[SpanLike]]] = [{}]
    replaced: set[int] = set()
    joined_at = ""
    previous: SpanLike = drug.span
    for part in parts:
        between = note[min(previous.end, part.span.start) : part.span.start]
        change = _is_change(note, doses[-1], part, between)
        if change:
            replaced.add(len(doses) - 1)
        if change or _begins_dose(doses[-1], part.label, between):
            joined_at = between
            doses.append({})
        elif _ALTERNATING.search(joined_at) and part.label == "FREQUENCY" and part.label not in doses[-2]:
            doses[-2].setdefault(part.label, []).append(part.span)
        doses[-1].setdefault(part.label, []).append(part.span)
        previous = part.span if part.span.start >= drug.span.start else previous
    return [
        Regimen(
            drug.span,
            **{name: tuple(dose.get(label, ())) for label, name in PARTS.items()},
            replaced=number in replaced,
        )
        for number, dose in enumerate(doses)
    ]


def _begins_dose(dose: dict[str, list[SpanLike]], label: str, between: str) -> bool:
    """Whether a part cannot belong to the dose so far."""
    if label not in dose:
        return False
    if label in ("STRENGTH", "DOSAGE"):
        return not _RANGE.fullmatch(between) or bool(_THEN.search(between))
    return bool(_THEN.search(between))


def _is_change(note: str, dose: dict[str, list[SpanLike]], part: Item, between: str) -> bool:
    """Whether a part is the "to" of a change from the same part of the dose so far."""
    if part.label not in dose or not _TO.fullmatch(between):
        return False
    first = min(span.start for spans in dose.values() for span in spans)
    old = dose[part.label][-1].start
    return _FROM.search(note, max(0, first - _BEFORE), old) is not None
