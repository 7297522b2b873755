"""Which strength, form, route, dosage, frequency and duration belong to which drug."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from clinspan.clinical.doses.attachment import Item, attach
from clinspan.clinical.doses.gaps import gap_between
from clinspan.clinical.doses.steps import steps
from clinspan.clinical.headings import sections
from clinspan.clinical.placing import checked
from clinspan.clinical.records import PARTS, Regimen, Section, SpanLike

# A dose of radiation belongs to no drug.
_RADIATION = re.compile(r"\bc?Gy\b", re.IGNORECASE)


def regimens(
    note: str,
    spans: Iterable[SpanLike],
    *,
    labels: Mapping[str, str] | None = None,
    within: Sequence[Section] | None = None,
) -> list[Regimen]:
    """Put each drug together with how it is taken.

    Args:
        note: the text.
        spans: spans of it, in any order; those that are neither a drug nor a part of a regimen are passed over.
        labels: what your labels mean in clinspan's words (DRUG, STRENGTH, FORM, ROUTE, DOSAGE, FREQUENCY,
            DURATION), such as `{"Medication": "DRUG"}`.
        within: the note's sections if you have them; found by default.

    Returns:
        Regimens in note order of their drugs, at least one for each drug; the spans in them are the caller's own.

    Raises:
        InputError: a span lies outside the note.

    >>> from clinspan.text.decode import Span
    >>> note = "5 mg of morphine"
    >>> [found] = regimens(note, [Span("STRENGTH", 0, 4, "5 mg", 1.0), Span("DRUG", 8, 16, "morphine", 1.0)])
    >>> found.drug.text, [span.text for span in found.strength]
    ('morphine', ['5 mg'])
    """
    given = sorted(checked(note, spans), key=lambda span: (span.start, span.end))
    parts = sections(note) if within is None else within
    meanings = labels or {}
    items: list[Item] = []
    for span in given:
        label = meanings.get(span.label, span.label).upper()
        if label == "DRUG" or (label in PARTS and not _RADIATION.search(note, span.start, span.end)):
            gap = gap_between(note, items[-1].span if items else span, span, parts)
            items.append(Item(span, label, gap))
    attach(note, items)
    owned: dict[int, list[Item]] = {i: [] for i, item in enumerate(items) if item.label == "DRUG"}
    for item in items:
        for drug in item.drugs:
            owned[drug].append(item)
    return [regimen for drug, held in owned.items() for regimen in steps(note, items[drug], held)]
