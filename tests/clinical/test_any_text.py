"""Clinical rules on any text: offsets inside the note, sections that partition it, time that grows with it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinspan import InputError, Span
from clinspan.clinical import assertions, regimens, sections, timing
from clinspan.clinical.records import PARTS

LABELS = ("PROBLEM", "TEST", "TREATMENT", "DRUG", *PARTS, "Something else")
WORDS = st.sampled_from(
    [
        "no",
        "denies",
        "history",
        "of",
        "family",
        "FAMILY",
        "HISTORY:",
        "PMH:",
        "Plan:",
        "ALLERGIES",
        "-",
        "mother",
        "was",
        "ruled",
        "out",
        "but",
        "possible",
        "?",
        "if",
        "held",
        "stop",
        "5",
        "mg",
        "bid",
        "daily",
        "of",
        "from",
        "to",
        "then",
        "both",
        "each",
        "respectively",
        "(",
        ")",
        "[",
        "]",
        "[x]",
        ":",
        ";",
        ",",
        ".",
        "-",
        "+",
        "|",
        "#",
        "##",
        "**",
        "1.",
        "and",
        "/",
        "\n",
        "\n\n",
        "\t",
        "İ",
        "ß",
        "é",
        "®",
        "\r",
        "\r\n",
        "\x00",
        "\x85",
        "aspirin",
        "fever",
    ]
)
NOTES = st.lists(WORDS | st.text(max_size=5), max_size=60).map(" ".join) | st.text(max_size=200)


@st.composite
def notes_with_spans(draw: st.DrawFn) -> tuple[str, list[Span]]:
    """Draw any note and any spans of it, overlapping and empty ones too."""
    note = draw(NOTES)
    place = st.integers(0, len(note))
    pairs = draw(st.lists(st.tuples(place, place, st.sampled_from(LABELS)), max_size=12))
    spans = []
    for one, other, label in pairs:
        start, end = sorted((one, other))
        spans.append(Span(label, start, end, note[start:end], 1.0))
    return note, spans


@settings(max_examples=300, deadline=None)
@given(NOTES)
def test_sections_partition_any_note(note: str) -> None:
    """They follow each other from the first character to the last, and each title is in its section."""
    found = sections(note)
    assert [each.start for each in found] == [0, *(each.end for each in found[:-1])]
    assert found[-1].end == len(note)
    for each in found:
        assert each.start <= each.body <= each.end
        assert each.title in note[each.start : each.body]


@settings(max_examples=300, deadline=None)
@given(notes_with_spans())
def test_cues_lie_in_the_note_and_say_its_words(drawn: tuple[str, list[Span]]) -> None:
    """Every span has an assertion, in its order, and every cue is a range of the note."""
    note, spans = drawn
    found = assertions(note, spans)
    assert len(found) == len(spans)
    for each, span in zip(found, spans, strict=True):
        assert each.section.start <= span.start <= each.section.end
        assert len({cue.kind for cue in each.cues}) == len(each.cues)
        assert all(note[cue.start : cue.end] == cue.text and cue.start < cue.end for cue in each.cues)


@settings(max_examples=300, deadline=None)
@given(notes_with_spans())
def test_every_drug_has_a_regimen_and_every_part_is_the_callers(drawn: tuple[str, list[Span]]) -> None:
    """Regimens hold the spans that were given, each in the place of its label."""
    note, spans = drawn
    found = regimens(note, spans)
    given_ids = {id(span) for span in spans}
    assert {id(each.drug) for each in found} == {id(span) for span in spans if span.label == "DRUG"}
    for each in found:
        assert all(id(span) in given_ids and PARTS[span.label] == part for part, span in each.parts())


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=250)
    | st.lists(
        st.sampled_from(
            [
                "q",
                "4",
                "6",
                "-",
                "h",
                "every",
                "daily",
                "x",
                "for",
                "2",
                "days",
                "prn",
                "a.m.",
                "1-0-1",
                "or",
                "and",
                "at",
            ]
        )
    ).map(" ".join)
)
def test_any_schedule_is_read_or_kept(text: str) -> None:
    """Numbers are positive, ranges rise, and a text without structure is kept whole."""
    found = timing(text)
    assert found.text == text
    for low, high in (
        (found.times, found.times_max),
        (found.period, found.period_max),
        (found.duration, found.duration_max),
    ):
        assert low is None or low > 0
        assert high is None or low is None or high > low
    if (
        found.times,
        found.period,
        found.duration,
        found.count,
        found.as_needed,
        found.when,
        found.days,
        found.at,
    ) == (None, None, None, None, False, (), (), ()):
        assert found.unparsed == text


def seconds(call: Callable[[], object]) -> float:
    """Take the best of three."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


HOSTILE = {
    "cues": "no ",
    "cues before a list": "denies fever, ",
    "cues behind": "fever unlikely ",
    "one sentence": "fever and ",
    "open brackets": "(",
    "spaces": " ",
    "lines": "\n",
    "colons": "A:",
    "headings": "PMH: ",
    "capitals": "ABC DEF ",
    "question marks": "?",
    "points": "a.",
    "boxes": "[ ] fever ",
    "drugs": "aspirin and ",
    "doses": "5 mg ",
    "doses of a drug": "aspirin 5 mg then ",
    "hyphens": "a-",
    "numbers": "1.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_the_text(name: str) -> None:
    """Ten times the text and ten times the spans take at most 25 times as long, whatever the text."""
    unit = HOSTILE[name]

    def run(units: int) -> None:
        note = unit * units
        spans = [
            Span(
                ("PROBLEM", "DRUG", "STRENGTH", "FREQUENCY")[i % 4],
                i * len(unit),
                i * len(unit) + 1,
                note[:1],
                1.0,
            )
            for i in range(0, units, 2)
        ]
        assertions(note, spans)
        regimens(note, spans)

    run(20)
    small, large = seconds(lambda: run(400)), seconds(lambda: run(4000))
    assert large < 25 * max(small, 1e-3)


def test_a_span_outside_the_note_is_refused() -> None:
    """Rather than read as an empty one."""
    with pytest.raises(InputError, match=r"span 1 is \[3, 9\)"):
        assertions("fever", [Span("PROBLEM", 0, 5, "fever", 1.0), Span("PROBLEM", 3, 9, "er", 1.0)])


def test_spans_of_any_source_will_do() -> None:
    """Any object with a label and offsets, under any label that is mapped."""

    class Foreign:
        def __init__(self, label: str, start: int, end: int) -> None:
            self.label, self.start, self.end = label, start, end

    note = "stop aspirin 81 mg"
    spans = [Foreign("Medication", 5, 12), Foreign("Dose", 13, 18)]
    labels = {"Medication": "DRUG", "Dose": "STRENGTH"}
    assert assertions(note, spans, labels=labels)[0].action == "stopped"
    [found] = regimens(note, spans, labels=labels)
    assert (found.drug, found.strength) == (spans[0], (spans[1],))
