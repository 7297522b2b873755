"""Kinds of errors, confusions, thresholds and the page of errors."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from tests.documents.test_evaluation import material

from clinspan.documents.document import Document, Entity
from clinspan.documents.error_analysis.details import Details, details_for_json, look_closer
from clinspan.documents.error_analysis.error_page import as_html
from clinspan.documents.error_analysis.mistakes import pairs
from clinspan.documents.error_analysis.thresholds import thresholds
from clinspan.documents.label_names import rename_gold
from clinspan.documents.scores import evaluate
from clinspan.documents.suspects import suspects, trimmed
from clinspan.errors import InputError

TEXT = "severe left chest pain after aspirin"
PAIN, ASPIRIN = Entity(12, 22, "PROBLEM"), Entity(29, 36, "DRUG")
LABELS = ["DRUG", "PROBLEM"]


def kinds(annotated: Sequence[Entity], found: Sequence[Entity], labels: Sequence[str] = LABELS) -> list[str]:
    return [pair.kind for pair in pairs(Document("1", TEXT, tuple(annotated)), found, labels)]


@pytest.mark.parametrize(
    ("annotated", "found", "expected"),
    [
        ([PAIN], [PAIN], ["hit"]),
        ([PAIN], [Entity(7, 22, "PROBLEM")], ["boundary"]),
        ([PAIN], [Entity(12, 22, "DRUG")], ["label"]),
        ([PAIN], [Entity(7, 22, "DRUG")], ["label and boundary"]),
        ([PAIN], [], ["missed"]),
        ([], [PAIN], ["false alarm"]),
        ([PAIN], [Entity(0, 11, "PROBLEM")], ["false alarm", "missed"]),
        ([PAIN], [Entity(12, 17, "PROBLEM"), Entity(18, 22, "PROBLEM")], ["boundary", "false alarm"]),
        ([Entity(0, 11, "PROBLEM"), PAIN], [Entity(0, 22, "PROBLEM")], ["boundary", "missed"]),
        ([PAIN], [Entity(12, 22, "TREATMENT")], ["label"]),
        ([], [Entity(12, 22, "TREATMENT")], []),
        ([PAIN], [Entity(7, 17, "DRUG"), Entity(18, 22, "PROBLEM")], ["false alarm", "boundary"]),
    ],
    ids=["hit", "boundary", "label", "both", "missed", "alarm", "beside", "two-pieces", "one-for-two", "unscored-label",
         "unscored-alone", "own-label-first"],
)  # fmt: skip
def test_each_entity_is_in_one_pair(
    annotated: list[Entity], found: list[Entity], expected: list[str]
) -> None:
    """Equal first, then the same label, then the same place."""
    assert kinds(annotated, found) == expected


def test_labels_that_nobody_looked_for_make_no_errors() -> None:
    """As in the scores."""
    document = Document("1", TEXT, (PAIN, ASPIRIN), frozenset({"DRUG"}))
    assert [pair.kind for pair in pairs(document, [Entity(0, 6, "PROBLEM")], LABELS)] == ["missed"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_counts_add_up_to_those_of_the_scores(seed: int) -> None:
    """Hits are exact hits; every annotation and every finding of a scored label is in one pair."""
    gold, found = material(seed)
    labels = ("DRUG", "PROBLEM", "TEST")
    scores = evaluate(gold, found, labels=labels, resamples=0)
    paired = [
        pair for document, those in zip(gold, found, strict=True) for pair in pairs(document, those, labels)
    ]
    micro = scores.micro["exact"]
    assert sum(pair.kind == "hit" for pair in paired) == micro.hits
    assert sum(pair.annotated is not None for pair in paired) == micro.annotated
    assert sum(pair.found is not None for pair in paired) == micro.found


def closer() -> tuple[list[Document], Details]:
    gold = [Document("a <1>", TEXT, (PAIN, ASPIRIN)), Document("b", TEXT, (PAIN,)), Document("c", "fine", ())]
    wide, wrong = Entity(0, 22, "PROBLEM"), Entity(29, 36, "PROBLEM")
    found = [[wide, wrong], [wide, wrong], []]
    return gold, look_closer(gold, found, [[0.9, 0.6], [0.8, 0.7], []], LABELS)


def test_errors_and_confusions_are_counted() -> None:
    """By label and kind, and by what was annotated and found."""
    _, details = closer()
    assert details.errors == {"DRUG": {"label": 1}, "PROBLEM": {"boundary": 2, "false alarm": 1}}
    assert details.confusion == {"": {"PROBLEM": 1}, "DRUG": {"PROBLEM": 1}, "PROBLEM": {"PROBLEM": 2}}
    assert "(nothing)" in details_for_json(details)["confusion"]
    assert "paired" not in details_for_json(details)


def test_thresholds_are_those_of_scoring_at_each() -> None:
    """Each row is what `evaluate` gives for the findings that score as much; the best is the best of all steps."""
    gold, found = material(3)
    rng = np.random.default_rng(0)
    scores = [[float(rng.random()) for _ in those] for those in found]
    tables = thresholds(gold, found, scores, LABELS)
    by_step = {}
    for step in [*(number / 100 for number in range(100)), 0.995, 0.999]:
        kept = [
            [e for e, score in zip(those, values, strict=True) if score >= step]
            for those, values in zip(found, scores, strict=True)
        ]
        by_step[step] = evaluate(gold, kept, labels=LABELS, resamples=0).by_label["exact"]
    for label, table in tables.items():
        for row in table.table:
            slow = by_step[row.threshold][label]
            assert (row.precision, row.recall, row.f1) == pytest.approx(
                (slow.precision, slow.recall, slow.f1)
            )
        assert table.best.f1 == pytest.approx(max(scores[label].f1 for scores in by_step.values()))


def test_the_page_shows_each_word_once() -> None:
    """A boundary error is one mark, with what is annotated and what is found inside it; text is escaped."""
    gold, details = closer()
    page = as_html(evaluate(gold, [[], [], []], labels=LABELS), details, gold, title="<t>")
    sections = re.findall(r"<section>.*?</section>", page, re.DOTALL)
    assert len(sections) == 2
    text = re.sub(r"<small.*?</small>", "", sections[0])
    assert re.sub(r"<[^>]*>", "", text) == f"a &lt;1&gt; {TEXT}"
    assert '<span class="f">severe left </span><span class="af">chest pain</span>' in sections[0]
    assert 'data-kind="boundary" data-label="PROBLEM">PROBLEM, boundary 0.90</small>' in sections[0]
    assert 'data-kind="label" data-label="DRUG">DRUG found as PROBLEM, label 0.60</small>' in sections[0]
    assert "<title>&lt;t&gt;</title>" in page
    assert "2 of 3 documents have errors" in page
    assert 'name="kind" value="false alarm"' in page
    assert "<td>chest pain → severe left chest pain</td><td>2</td>" in page
    assert not re.search(r"(src|href)=|https?:", page)


@pytest.mark.parametrize(
    ("text", "entities", "reasons"),
    [
        ("takes 500mg now", [(6, 9)], ["an edge inside a word"]),
        (
            "takes 500mg now",
            [(6, 9), (9, 11)],
            ["an edge inside a word", "a word in common with another annotation"],
        ),
        ("takes aspirin now", [(5, 13)], ["whitespace at an end"]),
        ("pain\n\nin the chest", [(0, 18)], ["an empty line in it"]),
        ("wrapped\r\nline", [(0, 13)], []),
        ("cafe\u0301 au lait", [(0, 4)], ["an edge between a letter and its accent"]),
        ("aspirin/heparin", [(0, 7), (8, 15)], []),
        ("81-mg", [(0, 2), (3, 5)], []),
    ],
)
def test_what_no_answer_can_match_is_told(
    text: str, entities: list[tuple[int, int]], reasons: list[str]
) -> None:
    """Answers begin and end at words and never cross an empty line."""
    document = Document("1", text, tuple(Entity(a, b, "X") for a, b in entities))
    assert [reason for _, reason in suspects(document)] == reasons


def test_whitespace_is_taken_off_annotations() -> None:
    """One of whitespace alone goes; the others keep their words."""
    document = Document("1", "a aspirin\n b", (Entity(1, 10, "X"), Entity(10, 11, "X"), Entity(11, 12, "X")))
    (cut,), count = trimmed([document])
    assert cut.entities == (Entity(2, 9, "X"), Entity(11, 12, "X"))
    assert count == 2


def test_labels_of_the_gold_are_renamed_everywhere() -> None:
    """In the annotations and in what the annotators looked for."""
    document = Document("1", TEXT, (ASPIRIN,), frozenset({"DRUG", "PROBLEM"}))
    (renamed,) = rename_gold([document], {"DRUG": "CHEMICAL"})
    assert renamed.entities == (Entity(29, 36, "CHEMICAL"),)
    assert renamed.labels == frozenset({"CHEMICAL", "PROBLEM"})
    with pytest.raises(InputError, match="--map-gold X=Y: no annotation has the label X"):
        rename_gold([document], {"X": "Y"})
