"""Decide for each span what its note says of it: denied, doubted, past, somebody else's, planned, stopped.

After ConText (Harkema et al. 2009, doi:10.1016/j.jbi.2009.05.002): a cue reaches from its place to where its clause,
sentence, list item or section ends. One walk over the cues, breaks and spans of the note, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from clinspan.clinical.cues.files import CueSet, bundled_cues
from clinspan.clinical.cues.scan import scan
from clinspan.clinical.forms import form_answer
from clinspan.clinical.headings import sections
from clinspan.clinical.placing import checked, section_of
from clinspan.clinical.reach import Reach
from clinspan.clinical.records import ACTIONS, Assertion, Cue, Section, SpanLike

# What a section says only of some labels; everything else holds for all.
_SECTION_LABELS = {
    "planned": ("TEST", "TREATMENT"),
    "allergy": ("DRUG", "TREATMENT"),
    "uncertain": ("PROBLEM",),
}
_LABELS = ("PROBLEM", "TEST", "TREATMENT", "DRUG")


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

    >>> from clinspan.text.decode import Span
    >>> note = "No evidence of pneumonia."
    >>> [found] = assertions(note, [Span("PROBLEM", 15, 24, "pneumonia", 1.0)])
    >>> found.negated, found.cues[0].text
    (True, 'No evidence of')
    """
    table = bundled_cues() if cues is None else cues
    given = checked(note, spans)
    parts = sections(note, cues=table) if within is None else within
    order = sorted(range(len(given)), key=lambda i: (given[i].start, given[i].end))
    reach = Reach(note, [given[i] for i in order], [_meaning(given[i], labels) for i in order])
    marks = scan(note, table, {span.start for span in given})
    reach.walk(marks, parts)
    answers: dict[int, Assertion] = {}
    for place, i in enumerate(order):
        section = section_of(parts, given[i].start)
        answers[i] = _assertion(
            note,
            given[i],
            reach.found[place],
            section,
            reach.labels[place],
            table.effects.get(section.kind, ()),
        )
    return [answers[i] for i in range(len(given))]


def _meaning(span: SpanLike, labels: Mapping[str, str] | None) -> str:
    label = (labels or {}).get(span.label, span.label).upper()
    return label if label in _LABELS else "PROBLEM"


def _assertion(
    note: str, span: SpanLike, found: dict[str, Cue], section: Section, label: str, effects: Sequence[str]
) -> Assertion:
    """Put together what cues, forms and the section say; the nearer word wins."""
    answer = form_answer(note, span.start, span.end)
    if answer is not None:
        found.pop("negated", None)
        if answer.kind != "affirmed":
            found[answer.kind] = answer
    for kind in effects:
        if kind in found or label not in _SECTION_LABELS.get(kind, _LABELS):
            continue
        if kind == "planned" and any(action in found for action in ACTIONS):
            continue
        start = note.index(section.title, section.start, section.end)
        found[kind] = Cue(kind, section.title, start, start + len(section.title), "section")
    if not found:
        return Assertion((), section)
    return Assertion(tuple(sorted(found.values(), key=lambda cue: (cue.start, cue.end, cue.kind))), section)
