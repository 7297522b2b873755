"""Rows of the table NOTE_NLP of the OMOP Common Data Model.

Written as documented at https://ohdsi.github.io/CommonDataModel/cdm54.html#note_nlp.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from clinspan.interop.given import checked
from clinspan.text.decode import Span

if TYPE_CHECKING:
    from clinspan.clinical.records import Assertion

COLUMNS = (
    "note_nlp_id",
    "note_id",
    "section_concept_id",
    "snippet",
    "offset",
    "lexical_variant",
    "note_nlp_concept_id",
    "note_nlp_source_concept_id",
    "nlp_system",
    "nlp_date",
    "nlp_datetime",
    "term_exists",
    "term_temporal",
    "term_modifiers",
)

# The table's limits on the characters of a field.
_SNIPPET = _VARIANT = 250
_AROUND = 60
_MODIFIERS = ("negated", "uncertain", "hypothetical", "historical", "family", "planned", "allergy")


def note_nlp(
    note: str,
    spans: Iterable[Span],
    *,
    note_id: int | str,
    on: date,
    assertions: Sequence[Assertion] | None = None,
    first: int = 1,
) -> list[dict[str, Any]]:
    """Write spans as rows of NOTE_NLP.

    Concepts are 0, the table's "no matching concept": clinspan does not code what it finds. The label stands in
    `term_modifiers`. `term_exists` is N for what is denied, doubted, hypothetical or another person's, as the table
    asks.

    Args:
        note: the text that was read.
        spans: its spans.
        note_id: the note's key in the table NOTE.
        on: the day of the run.
        assertions: one for each span; without them `term_exists` and `term_temporal` are empty.
        first: `note_nlp_id` of the first row; the next ones count up.

    Raises:
        InputError: a span does not quote the note.
    """
    from clinspan import __version__

    rows = []
    for number, (span, assertion) in enumerate(checked(note, spans, assertions), start=first):
        values = (
            number,
            note_id,
            0,
            _snippet(note, span),
            str(span.start),
            span.text[:_VARIANT],
            0,
            0,
            f"clinspan {__version__}",
            on.isoformat(),
            None,
            *_said(assertion),
            _modifiers(span, assertion),
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def _snippet(note: str, span: Span) -> str:
    """Cut out the span with what stands around it, no longer than the table allows."""
    return note[max(0, span.start - _AROUND) : span.end + _AROUND][:_SNIPPET]


def _said(assertion: Assertion | None) -> tuple[str | None, str | None]:
    if assertion is None:
        return None, None
    absent = assertion.negated or assertion.uncertain or assertion.hypothetical
    exists = not absent and assertion.experiencer == "patient"
    time = "Past" if assertion.historical else "Future" if assertion.planned else "Present"
    return "Y" if exists else "N", time


def _modifiers(span: Span, assertion: Assertion | None) -> str:
    parts = [f"label={span.label}", f"end={span.end}", f"score={span.score:.4f}"]
    if assertion is not None:
        parts += [f"{name}=true" for name in _MODIFIERS if getattr(assertion, name)]
        parts += [f"action={assertion.action}"] if assertion.action else []
    return ", ".join(parts)
