"""Edges of spans follow the words of medication text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan import LoadOptions, Recognizer
from clinspan.text.decode import Span
from clinspan.text.whole_words import whole_words


def marked(text: str) -> tuple[str, list[Span]]:
    """A note and its spans, from text where `{LABEL words}` marks one."""
    note, spans = "", []
    for part in text.replace("}", "{").split("{"):
        label, _, words = part.partition(" ")
        if label.isupper() and len(label) > 3 and label.isalpha():
            spans.append(Span(label, len(note), len(note) + len(words), words, 0.5))
            note += words
        else:
            note += part
    return note, spans


@pytest.mark.parametrize(
    ("found", "right"),
    [
        # A number with its point.
        ("creatinine {STRENGTH 0}.7 today", "creatinine 0.7 today"),
        ("gave {STRENGTH 2}{STRENGTH .5 mg} now", "gave {STRENGTH 2.5 mg} now"),
        ("heparin 5,{STRENGTH 000 units}", "heparin {STRENGTH 5,000 units}"),
        # Dotted and hyphened words.
        ("aspirin {FREQUENCY p.r}.n. pain", "aspirin {FREQUENCY p.r.n.} pain"),
        ("aspirin p{ROUTE .}r.n. pain", "aspirin p.r.n. pain"),
        ("a chest {TEST X}-ray today", "a chest {TEST X-ray} today"),
        ("a {TEST chest X-r}ay", "a {TEST chest X-ray}"),
        ("a {DURATION 10}-day course", "a {DURATION 10-day} course"),
        ("an {DRUG aspirin}-induced {PROBLEM ulcer}", "an {DRUG aspirin}-induced {PROBLEM ulcer}"),
        # The last dot.
        ("take it {FREQUENCY b.i.d}. with food", "take it {FREQUENCY b.i.d.} with food"),
        ("given {ROUTE p.o}.", "given {ROUTE p.o.}"),
        ("seen for {PROBLEM fever}.", "seen for {PROBLEM fever}."),
        # Pieces of a schedule.
        ("{FREQUENCY BID} ({FREQUENCY 2 times a day})", "{FREQUENCY BID (2 times a day)}"),
        ("{FREQUENCY bid} ({FREQUENCY prn}{PROBLEM )mg}", "{FREQUENCY bid (prn}{PROBLEM )mg}"),
        ("{FREQUENCY every 6 hours}, {FREQUENCY as needed}", "{FREQUENCY every 6 hours, as needed}"),
        ("{FREQUENCY q.a.m.} and {FREQUENCY q.p.m.}", "{FREQUENCY q.a.m. and q.p.m.}"),
        ("{FREQUENCY daily}\n{FREQUENCY weekly}", "{FREQUENCY daily}\n{FREQUENCY weekly}"),
        ("{FREQUENCY daily} {DURATION for 3 days}", "{FREQUENCY daily} {DURATION for 3 days}"),
        ("{DRUG aspirin}, {DRUG metformin}", "{DRUG aspirin}, {DRUG metformin}"),
        # A unit and its number.
        ("insulin 84 {DOSAGE units} now", "insulin {DOSAGE 84 units} now"),
        ("insulin {DOSAGE 84} units now", "insulin {DOSAGE 84 units} now"),
        ("taken two {FREQUENCY times a day}", "taken {FREQUENCY two times a day}"),
        ("for {DURATION days}", "for {DURATION days}"),
        ("4 {PROBLEM days of pain}", "4 {PROBLEM days of pain}"),
        # Nothing to see.
        ("pain {DOSAGE -} none", "pain - none"),
    ],
)  # fmt: skip
def test_edges_follow_words(found: str, right: str) -> None:
    """No number, dotted or hyphened word is cut; schedules are whole; a unit has its number; punctuation alone is left out."""
    note, spans = marked(found)
    expected_note, expected = marked(right)
    assert note == expected_note
    assert [(s.label, s.start, s.end, s.text) for s in whole_words(note, spans)] == [
        (s.label, s.start, s.end, s.text) for s in expected
    ]


PIECES = st.sampled_from(
    [
        "0.5",
        "p.r.n.",
        "b.i.d",
        "X-ray",
        " ",
        ",",
        "(",
        ")",
        "mg",
        "84",
        "units",
        "\n",
        ".",
        "and",
        "10-day",
        "é",
        "q6h",
        "-",
    ]
)


@given(st.lists(PIECES, max_size=14), st.data())
def test_spans_stay_in_order_inside_the_note(pieces: list[str], data: st.DataObject) -> None:
    """Whatever the spans, what comes back lies in the note, in order, without overlap, with its own text; twice changes nothing."""
    note = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(note)), max_size=10)))
    labels = st.sampled_from(["FREQUENCY", "STRENGTH", "DOSAGE", "PROBLEM"])
    spans = [
        Span(data.draw(labels), a, b, note[a:b], 0.5)
        for a, b in zip(cuts[::2], cuts[1::2], strict=False)
        if a < b
    ]
    found = whole_words(note, spans)
    end = 0
    for span in found:
        assert end <= span.start < span.end <= len(note)
        assert span.text == note[span.start : span.end]
        assert any(map(str.isalnum, span.text))
        end = span.end


def test_other_models_are_left_alone() -> None:
    """The rule is off unless the bundle or the caller asks for it."""
    with Recognizer.load(options=LoadOptions(whole_words=False)) as plain:
        assert not plain._bundle.whole_words
    with Recognizer.load(options=LoadOptions(whole_words=True)) as asked:
        assert asked._bundle.whole_words
