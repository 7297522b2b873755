"""Every deliberate difference from the transformers pipeline, both behaviours side by side.

docs/evidence/differences.md gives the reasons; each heading there names its test here. The models give every token
the same label, so that only the rules speak.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.export.pipeline_pairs import Pair
from tests.support.example_notes import ROOT

from clinspan.text.decode import Aggregation

pytestmark = pytest.mark.export
Make = Callable[..., Pair]
Places = list[tuple[str, int, int]]


def theirs(pair: Pair, note: str, aggregation: Aggregation = "first") -> Places:
    """(label, start, end) from transformers."""
    return [row[:3] for row in pair.theirs(note)[aggregation]]


def ours(pair: Pair, note: str, aggregation: Aggregation = "first") -> Places:
    """(label, start, end) from clinspan."""
    return [
        (span.label, span.start, span.end)
        for span in pair.recognizer.recognize(note, aggregation=aggregation)
    ]


def test_an_entity_ends_at_a_blank_line(tiny_pair: Make) -> None:
    """Transformers joins a heading with the section under it."""
    pair = tiny_pair(always="I-TEST")
    assert theirs(pair, "EXAM\n\nchest") == [("TEST", 0, 11)]
    assert ours(pair, "EXAM\n\nchest") == [("TEST", 0, 4), ("TEST", 6, 11)]


def test_a_special_token_in_a_note_is_text(tiny_pair: Make) -> None:
    """Transformers feeds the model its own separator where a note spells it out."""
    pair = tiny_pair(always="I-TEST")
    separator = pair.pipeline.tokenizer.sep_token_id
    assert separator in pair.pipeline.tokenizer("pain [SEP] fever", add_special_tokens=False)["input_ids"]
    assert separator not in pair.recognizer._tokenizer.encode("pain [SEP] fever").ids


def test_a_combining_mark_stays_with_its_base(tiny_pair: Make) -> None:
    """An accent-stripping normalizer leaves the mark out of the token."""
    pair = tiny_pair(always="I-TEST")
    assert theirs(pair, "Ménie\u0301") != ours(pair, "Ménie\u0301") == [("TEST", 0, 6)]
    assert theirs(pair, "x\u0301") == [("TEST", 0, 1)]
    assert ours(pair, "x\u0301") == [("TEST", 0, 2)]


def test_an_invisible_character_does_not_make_a_word_a_continuation(tiny_pair: Make) -> None:
    """Transformers takes a token for a continuation where its text is longer than the token."""
    pair = tiny_pair(always="B-TEST")
    note = "chest a\u200bb"
    assert theirs(pair, note) == [("TEST", 0, 9)]
    assert ours(pair, note) == [("TEST", 0, 5), ("TEST", 6, 9)]


@pytest.mark.parametrize("label", ["DRUG-DOSE", "TEST-NAME-LONG"])
def test_a_label_without_prefix_keeps_its_hyphens(tiny_pair: Make, label: str) -> None:
    """Transformers cuts every label at its first hyphen, prefix or not."""
    pair = tiny_pair(labels=("O", label), always=label)
    assert theirs(pair, "pain") == [(label.split("-", 1)[1], 0, 4)]
    assert ours(pair, "pain") == [(label, 0, 4)]


def test_single_and_end_labels_are_respected(tiny_pair: Make) -> None:
    """Transformers knows only B- and I-, and joins what S- and E- keep apart."""
    pair = tiny_pair(labels=("O", "B-A", "I-A", "E-A", "S-A"), always="S-A")
    assert theirs(pair, "a b c") == [("A", 0, 5)]
    assert ours(pair, "a b c") == [("A", 0, 1), ("A", 2, 3), ("A", 4, 5)]


def test_prefixes_with_an_underscore_are_prefixes(tiny_pair: Make) -> None:
    """Transformers shows B_A as an entity of its own, and joins two of them."""
    pair = tiny_pair(labels=("O", "B_A", "I_A"), always="B_A")
    assert theirs(pair, "a b") == [("B_A", 0, 3)]
    assert ours(pair, "a b") == [("A", 0, 1), ("A", 2, 3)]


def test_the_outside_label_is_never_an_entity_whatever_its_name(tiny_pair: Make) -> None:
    """Transformers ignores only O."""
    pair = tiny_pair(labels=("NONE", "A"), always="NONE")
    assert theirs(pair, "pain") == [("NONE", 0, 4)]
    assert ours(pair, "pain") == []


def test_words_of_other_tokenizers_end_at_punctuation_and_line_ends(tiny_pair: Make) -> None:
    """Transformers warns that it guesses, and takes everything between two spaces for one word."""
    pair = tiny_pair("byte_bpe", always="B-TEST")
    assert theirs(pair, "pain,\nfever") == [("TEST", 0, 11)]
    assert ours(pair, "pain,\nfever") == [("TEST", 0, 4), ("TEST", 4, 5), ("TEST", 6, 11)]


def test_a_line_break_that_is_a_token_is_not_a_word(tiny_pair: Make) -> None:
    """Transformers lets the token of the line break vote, or stand alone as an entity of whitespace."""
    pair = tiny_pair("byte_bpe", always="B-TEST")
    assert ("TEST", 4, 5) in theirs(pair, "pain\nfever", "simple")
    assert ("TEST", 4, 5) not in ours(pair, "pain\nfever", "simple")


def test_whitespace_at_the_ends_is_trimmed(tiny_pair: Make) -> None:
    """Tokens of byte-level BPE and sentencepiece carry the blank before their word."""
    pair = tiny_pair("byte_bpe", always="B-TEST")
    assert [row[1] for row in theirs(pair, "x pain")] == [0, 1]
    assert [row[1] for row in ours(pair, "x pain")] == [0, 2]


def test_the_space_that_sentencepiece_adds_has_no_width(tiny_pair: Make) -> None:
    """Transformers gives it the offsets of the first character, and two entities overlap."""
    pair = tiny_pair("unigram", always="B-TEST")
    note = "☃"
    assert theirs(pair, note, "simple") == [("TEST", 0, 1), ("TEST", 0, 1)]
    assert ours(pair, note, "simple") == [("TEST", 0, 1)]


def test_a_long_note_is_read_to_its_end(tiny_pair: Make) -> None:
    """Transformers stops silently at the model's limit, unless it is given a stride."""
    pair = tiny_pair(always="I-TEST")
    note = "pain " * 2000
    assert theirs(pair, note)[-1][2] < len(note) / 2
    assert ours(pair, note)[-1][2] == len(note.rstrip())


def test_a_lone_surrogate_is_a_character(tiny_pair: Make) -> None:
    """Transformers raises TypeError."""
    pair = tiny_pair(always="I-TEST")
    with pytest.raises(TypeError):
        theirs(pair, "pain \ud800 fever")
    assert ours(pair, "pain \ud800 fever") == [("TEST", 0, 12)]


def test_every_difference_is_in_the_docs() -> None:
    """Each test here is named in docs/evidence/differences.md, and each test named there exists."""
    import re

    text = (ROOT / "docs" / "evidence" / "differences.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    here = {name for name in globals() if name.startswith("test_")} - {"test_every_difference_is_in_the_docs"}
    assert here <= named
    everywhere = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert not [name for name in named if f"def {name}(" not in everywhere]
