"""Logits and tokens -> spans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import slow_twins

from clinspan import InputError, Span
from clinspan.text.decode import AGGREGATIONS, Aggregation, label_table, read_words, spans
from clinspan.text.encoding import Encoding
from clinspan.text.labels import detect

BIO = detect(["O", "B-X", "I-X", "B-Y", "I-Y"])
BIOES = detect(["O", "B-X", "I-X", "E-X", "S-X"])
IO = detect(["none", "X", "Y"])


def split(note: str) -> Encoding:
    """Make one token for each word between spaces."""
    offsets, at = [], 0
    for word in note.split():
        start = note.index(word, at)
        at = start + len(word)
        offsets.append((start, at))
    n = len(offsets)
    return Encoding(
        np.zeros(n, np.int32),
        np.array(offsets, np.int32).reshape(n, 2),
        np.arange(n, dtype=np.int32),
        np.zeros(n, np.int8),
    )


def logits_for(tags: str, labels: object = BIO, height: float = 5.0) -> np.ndarray:
    """Logits that decide for the given labels."""
    names = list(labels.names)  # type: ignore[attr-defined]
    rows = np.zeros((len(tags.split()), len(names)), np.float32)
    for row, tag in zip(rows, tags.split(), strict=True):
        row[names.index(tag)] = height
    return rows


def found(note: str, tags: str, labels: object = BIO, **options: object) -> list[tuple[str, str]]:
    """(label, text) of the spans."""
    encoding = split(note)
    words = read_words(logits_for(tags, labels), encoding.word_ids, "first")
    result = spans(note, encoding, [words], label_table(labels), **options)  # type: ignore[arg-type]
    return [(span.label, span.text) for span in result]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-X I-X O", [("X", "a b")]),
        ("B-X B-X O", [("X", "a"), ("X", "b")]),
        ("I-X I-X O", [("X", "a b")]),
        ("B-X I-Y I-Y", [("X", "a"), ("Y", "b c")]),
        ("B-X O I-X", [("X", "a"), ("X", "c")]),
        ("O O O", []),
    ],
    ids=["joined", "opens", "inside-first", "other-entity", "gap", "nothing"],
)
def test_bio_labels_make_spans(tags: str, expected: list[tuple[str, str]]) -> None:
    """B opens, I goes on, an I of another entity opens one of its own."""
    assert found("a b c", tags) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-X E-X S-X", [("X", "a b"), ("X", "c")]),
        ("E-X I-X O", [("X", "a"), ("X", "b")]),
        ("S-X S-X I-X", [("X", "a"), ("X", "b"), ("X", "c")]),
    ],
    ids=["proper", "after-end", "singles"],
)
def test_bioes_labels_make_spans(tags: str, expected: list[tuple[str, str]]) -> None:
    """E and S end a span, B and S begin one."""
    assert found("a b c", tags, BIOES) == expected


def test_labels_without_prefix_join_where_they_touch() -> None:
    """IO has no way to tell two neighbours apart."""
    assert found("a b c", "X X Y", IO) == [("X", "a b"), ("Y", "c")]


@pytest.mark.parametrize(
    "gap",
    ["\n\n", "\r\n\r\n", "\n \t\n", "\u2029\u2029", "\r\r", "\r\r\n\r\r\n", "\n\r\n\r", "\n\f\n"],
    ids=ascii,
)
def test_an_entity_never_crosses_a_blank_line(gap: str) -> None:
    """A list item and the heading below it are not one entity."""
    assert found(f"a{gap}b", "B-X I-X") == [("X", "a"), ("X", "b")]


def test_a_lone_surrogate_between_words_is_part_of_their_gap() -> None:
    """Tokenizers leave it out, so the gap between two words may hold one."""
    note = "a\ud800 b"
    encoding = split(note.replace("\ud800", " "))
    words = read_words(logits_for("B-X I-X"), encoding.word_ids, "first")
    assert [s.end for s in spans(note, encoding, [words], label_table(BIO))] == [4]


@pytest.mark.parametrize(
    "gap", ["\n", "\r\n", " \n  ", "   ", "\r\r\n", "\r\r\r\n", "\n\r", "\n\f", "\r\n\f", "\f\r\n"], ids=ascii
)
def test_an_entity_crosses_a_line_end(gap: str) -> None:
    """Notes are wrapped in the middle of phrases."""
    assert found(f"a{gap}b", "B-X I-X") == [("X", f"a{gap}b")]


def test_a_threshold_leaves_out_what_scores_less() -> None:
    """One number for all labels, or one for each."""
    encoding = split("a b")
    words = read_words(logits_for("B-X B-Y", height=2.0), encoding.word_ids, "first")
    table = label_table(BIO)
    x, y = (span.score for span in spans("a b", encoding, [words], table))
    kept = spans("a b", encoding, [words], table, threshold={"X": x + 0.01, "Y": y})
    assert [span.label for span in kept] == ["Y"]
    assert spans("a b", encoding, [words], table, threshold=max(x, y) + 0.01) == []


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan"), "0.5", True, {"Z": 0.5}], ids=str)
def test_a_threshold_that_is_no_probability_is_refused(threshold: object) -> None:
    """An unknown label or a number outside 0 to 1 is an InputError."""
    with pytest.raises(InputError, match="threshold"):
        found("a", "B-X", threshold=threshold)


def test_a_numpy_number_is_a_threshold() -> None:
    """Thresholds come out of arrays."""
    assert found("a", "B-X", threshold=np.float32(0.5)) == [("X", "a")]


def test_the_score_is_the_mean_of_the_words() -> None:
    """Two words, two probabilities, one mean."""
    encoding = split("a b")
    logits = logits_for("B-X I-X")
    logits[1] *= 0.5
    (span,) = spans("a b", encoding, [read_words(logits, encoding.word_ids, "first")], label_table(BIO))
    expected = (slow_twins.softmax(logits[0].tolist())[1] + slow_twins.softmax(logits[1].tolist())[2]) / 2
    assert span.score == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("note", "token", "expected"),
    [
        ("cafe\u0301 x", (0, 4), "cafe\u0301"),
        ("cafe\u0301 x", (4, 5), "e\u0301"),
        ("  ab  ", (0, 6), "ab"),
        ("\u0301a", (0, 1), "\u0301"),
    ],
    ids=["mark-left-out", "mark-alone", "blanks", "no-base"],
)
def test_a_span_holds_whole_characters_and_no_blanks_at_its_ends(
    note: str, token: tuple[int, int], expected: str
) -> None:
    """A mark stays with its base, whatever the tokenizer made of it."""
    encoding = Encoding(
        np.zeros(1, np.int32), np.array([token], np.int32), np.zeros(1, np.int32), np.zeros(1, np.int8)
    )
    words = read_words(logits_for("B-X"), encoding.word_ids, "first")
    assert [s.text for s in spans(note, encoding, [words], label_table(BIO))] == [expected]


def test_no_blank_is_left_where_a_neighbour_took_the_mark() -> None:
    """The mark goes to the span of its base, and the next span begins at its own first letter."""
    note = "a\u0301 b"
    encoding = Encoding(
        np.zeros(3, np.int32),
        np.array([(0, 1), (1, 2), (3, 4)], np.int32),
        np.arange(3, dtype=np.int32),
        np.zeros(3, np.int8),
    )
    words = read_words(logits_for("B-X B-Y I-Y"), encoding.word_ids, "first")
    result = spans(note, encoding, [words], label_table(BIO))
    assert [(s.label, s.text) for s in result] == [("X", "a\u0301"), ("Y", "b")]


@pytest.mark.parametrize("vote", AGGREGATIONS)
def test_tokens_of_no_word_have_no_vote(vote: str) -> None:
    """A window may hold nothing but line breaks; `simple` alone looks at tokens."""
    logits = logits_for("B-X B-X")
    assert len(read_words(logits, np.full(2, -1, np.int32), vote).labels) == (2 if vote == "simple" else 0)
    words = read_words(logits, np.array([-1, 0], np.int32), vote, start=3)
    assert words.first.tolist() == ([3, 4] if vote == "simple" else [4])


def test_windows_do_not_cut_an_entity() -> None:
    """Words of two windows join as words of one."""
    note, encoding = "a b", split("a b")
    logits = logits_for("B-X I-X")
    parts = [read_words(logits[i : i + 1], encoding.word_ids[i : i + 1], "first", start=i) for i in range(2)]
    assert [s.text for s in spans(note, encoding, parts, label_table(BIO))] == ["a b"]


ROWS = st.integers(1, 12).flatmap(
    lambda t: st.tuples(
        st.lists(st.lists(st.integers(-40, 40), min_size=5, max_size=5), min_size=t, max_size=t),
        st.lists(st.booleans(), min_size=t, max_size=t),
    )
)


@pytest.mark.parametrize("vote", AGGREGATIONS)
@given(rows=ROWS)
def test_words_are_read_as_the_naive_twin_reads_them(
    vote: Aggregation, rows: tuple[list[list[int]], list[bool]]
) -> None:
    """Same words, same labels, same scores."""
    logits = np.array(rows[0], np.float32) / np.float32(8)
    word_ids = np.cumsum(rows[1]).astype(np.int32)
    words = read_words(logits, word_ids, vote, start=7)
    expected = slow_twins.read_words(logits.tolist(), word_ids.tolist(), vote)
    assert [(f - 7, e - 7) for f, e in zip(words.first.tolist(), words.last.tolist(), strict=True)] == [
        row[:2] for row in expected
    ]
    assert words.scores.tolist() == pytest.approx([row[3] for row in expected], abs=1e-5)
    for label, row in zip(words.labels.tolist(), expected, strict=True):
        # Equal means may round to either side; what is decided must be a best one.
        assert label == row[2] or vote in ("average", "max")


TAGS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.one_of(st.sampled_from([" ", "", "  "]), st.text(alphabet="\r\n\f\v\u2028 ", max_size=5)),
    ),
    max_size=14,
)


@pytest.mark.parametrize("labels", [BIO, BIOES], ids=["bio", "bioes"])
@given(tags=TAGS)
def test_spans_are_those_of_the_naive_twin(labels: object, tags: list[tuple[int, str]]) -> None:
    """Same labels, same offsets, same scores, whatever the order of labels and gaps."""
    note, offsets, rows = "", [], []
    for label, gap in tags:
        offsets.append((len(note), len(note) + 2))
        note += "ab" + gap
        rows.append([3.0 if i == label else 0.1 * i for i in range(5)])
    n = len(offsets)
    encoding = Encoding(
        np.zeros(n, np.int32),
        np.array(offsets, np.int32).reshape(n, 2),
        np.arange(n, dtype=np.int32),
        np.zeros(n, np.int8),
    )
    logits = np.array(rows, np.float32).reshape(n, 5)
    words = [read_words(logits, encoding.word_ids, "first")] if n else []
    result = spans(note, encoding, words, label_table(labels))  # type: ignore[arg-type]
    places = [labels.place(name) for name in labels.names]  # type: ignore[attr-defined]
    expected = slow_twins.group_spans(
        note, offsets, slow_twins.read_words(rows, encoding.word_ids.tolist(), "first"), places
    )
    assert [(s.label, s.start, s.end) for s in result] == [row[:3] for row in expected]
    assert [s.score for s in result] == pytest.approx([row[3] for row in expected], abs=1e-5)


def test_a_span_is_a_frozen_record() -> None:
    """Spans can be kept in sets and never change."""
    span = Span("X", 0, 1, "a", 0.5)
    with pytest.raises(AttributeError):
        span.start = 3  # type: ignore[misc]
    assert span in {span}
