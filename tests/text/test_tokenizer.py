"""Text -> tokens with exact offsets, words and cuts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import slow_twins, small_tokenizers
from tests.support.example_notes import EXAMPLES

from clinspan import BundleError
from clinspan.bundle.loading import STARTER
from clinspan.text import encoding as encodings
from clinspan.text import tokenizer
from clinspan.text import words as words_of
from clinspan.text.tokenizer import Tokenizer

FAMILIES: dict[str, Callable[..., object]] = {
    "wordpiece": small_tokenizers.wordpiece,
    "wordpiece-cased": lambda texts: small_tokenizers.wordpiece(texts, lowercase=False),
    "wordpiece-line-ends": lambda texts: small_tokenizers.wordpiece(texts, line_ends=True),
    "byte-bpe": small_tokenizers.byte_bpe,
    "byte-bpe-prefix-space": lambda texts: small_tokenizers.byte_bpe(texts, add_prefix_space=True),
    "unigram": small_tokenizers.unigram,
}
# Arbitrary Unicode, and more of what clinical notes and broken exports hold.
AWKWARD = st.one_of(
    st.characters(),
    st.characters(categories=["Cs", "Mn", "Cf", "Zs", "So"]),
    st.sampled_from(
        ["\x00", "\r\n", "\n\n", "[SEP]", "[CLS]", "[PAD]", " ", "e\u0301", "\u200b", "\U0001f9ec", "mg", "µ"]
    ),
)
NOTES = st.lists(AWKWARD, max_size=40).map("".join)


@pytest.fixture(scope="session", params=FAMILIES)
def family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, notes: list[str]
) -> Tokenizer:
    """A small tokenizer of each family."""
    folder = tmp_path_factory.mktemp(request.param)
    return Tokenizer(small_tokenizers.save(FAMILIES[request.param](notes), folder))


@pytest.fixture(scope="session")
def bert() -> Tokenizer:
    """The bundled tokenizer."""
    return Tokenizer(STARTER / "tokenizer.json")


@given(note=NOTES)
def test_offsets_lie_in_the_note_and_never_go_back(family: Tokenizer, note: str) -> None:
    """Whatever the note holds, every token has a place in it, in order."""
    encoding = family.encode(note)
    starts, ends = encoding.offsets[:, 0], encoding.offsets[:, 1]
    assert (starts >= 0).all()
    assert (starts <= ends).all()
    assert (ends <= len(note)).all()
    assert (np.diff(starts) >= 0).all()
    assert (np.diff(encoding.word_ids[encoding.word_ids != encodings.NO_WORD]) >= 0).all()
    assert len(encoding.ids) == len(encoding.offsets) == len(encoding.word_ids) == len(encoding.cuts)


@given(note=NOTES)
def test_every_visible_character_of_plain_text_is_in_a_token(family: Tokenizer, note: str) -> None:
    """Letters and digits are never lost: each lies in the offsets of some token."""
    encoding = family.encode(note)
    covered = {i for start, end in encoding.offsets.tolist() for i in range(start, end)}
    assert {i for i, char in enumerate(note) if char.isascii() and char.isalnum()} <= covered


@pytest.mark.parametrize(
    ("note", "word"),
    [
        ("dose \ud800 5 mg", "mg"),
        ("dose\x00 5 mg", "mg"),
        ("dose\r\n5 mg", "mg"),
        ("\U0001f48a 5 mg", "mg"),
        ("cafe\u0301 5 mg", "mg"),
        ("a\u200bb 5 mg", "mg"),
        ("\ufeff5 mg", "mg"),
        ("ﬁne ½ µg ℃ 5 mg", "mg"),
    ],
    ids=["surrogate", "nul", "crlf", "astral", "mark", "zero-width", "bom", "compatibility"],
)
def test_offsets_count_characters_of_the_note_itself(family: Tokenizer, note: str, word: str) -> None:
    """Characters before a word never shift its offsets."""
    start, end = family.encode(note).offsets[-1].tolist()
    assert end == len(note)
    assert word.endswith(note[start:end])


@pytest.mark.parametrize("special", ["[SEP]", "[CLS]", "[PAD]", "[MASK]", "[UNK]"])
def test_a_special_token_spelled_out_in_a_note_is_text(family: Tokenizer, special: str) -> None:
    """A note cannot smuggle in the model's own signs."""
    named = {family._backend.token_to_id(name) for name in small_tokenizers.SPECIAL if name != "[UNK]"}
    encoding = family.encode(f"a {special} b")
    assert named.isdisjoint(encoding.ids.tolist())
    assert special in _words(family, f"a {special} b") or len(encoding) >= 5


def test_truncation_and_padding_stored_in_the_file_are_off(tmp_path: Path, notes: list[str]) -> None:
    """tokenizer.json may carry both, and would cut a long note without a message."""
    backend = small_tokenizers.wordpiece(notes)
    plain = Tokenizer(small_tokenizers.save(backend, tmp_path)).encode(notes[0])
    backend.enable_truncation(16)
    backend.enable_padding(length=9000)
    assert len(Tokenizer(small_tokenizers.save(backend, tmp_path)).encode(notes[0])) == len(plain) > 16


@pytest.mark.parametrize("size", [50, 333, 2000])
def test_a_note_read_in_pieces_has_the_tokens_of_the_whole(
    family: Tokenizer, notes: list[str], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long notes are tokenized piece by piece; no id, offset, word or cut tells."""
    note = "\n\n".join(notes)
    whole = family.encode(note)
    assert len(note) < tokenizer._PIECE
    monkeypatch.setattr(tokenizer, "_PIECE", size)
    assert len(list(family._pieces(note))) > len(note) / size / 3
    pieces = family.encode(note)
    for name in ("ids", "offsets", "word_ids", "cuts"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name), err_msg=name)


@given(
    note=st.lists(st.one_of(AWKWARD, st.sampled_from([" ", " a", "b ", "\n", "\t"])), max_size=60).map(
        "".join
    )
)
def test_pieces_of_any_text_have_the_tokens_of_the_whole(family: Tokenizer, note: str) -> None:
    """No character, however rare, makes a difference where a note is cut into pieces."""
    whole = family.encode(note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer, "_PIECE", 3)
        pieces = family.encode(note)
    for name in ("ids", "offsets", "word_ids", "cuts"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name), err_msg=name)


def test_a_long_note_without_single_spaces_is_still_read_in_pieces(bert: Tokenizer) -> None:
    """A table of laboratory values has line ends and tabs, and must not be held in memory whole."""
    note = "Na\t138\r\nK\t4.1\r\n" * 10_000
    sizes = [stop - start for start, stop in bert._pieces(note)]
    assert max(sizes) < 2 * tokenizer._PIECE


@given(note=NOTES | st.text(alphabet="ab\r\n\f\v\u2028 .", max_size=30))
def test_words_and_cuts_are_those_of_the_naive_twin(note: str) -> None:
    """Vectorised word numbers and cut rates, against a loop."""
    offsets = [(i, i + 1) for i, char in enumerate(note) if not char.isspace()]
    codes = np.frombuffer(note.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    table = np.array(offsets, np.int32).reshape(len(offsets), 2)
    words = words_of.number_words(table, codes, np.zeros(len(table), bool))
    assert words.tolist() == slow_twins.number_words(note, offsets)
    cuts = words_of.rate_cuts(table, words, codes)
    for i in range(1, len(offsets)):
        same = words[i] == words[i - 1]
        expected = -1 if same else slow_twins.rate_gap(note, offsets[i - 1][1], offsets[i][0])
        assert cuts[i] == expected


@pytest.mark.parametrize(
    ("gap", "rate"),
    [
        (" ", encodings.SPACE),
        (". ", encodings.SENTENCE_END),
        ("\n", encodings.LINE_END),
        ("\r\n", encodings.LINE_END),
        (".\n", encodings.LINE_END),
        ("\n\n", encodings.BLANK_LINE),
        ("\r\r\n", encodings.LINE_END),
        ("\n\r", encodings.LINE_END),
        ("\n\f", encodings.LINE_END),
        ("\r\n\r\n", encodings.BLANK_LINE),
        ("\r\r\n\r\r\n", encodings.BLANK_LINE),
        ("\n  \n", encodings.BLANK_LINE),
    ],
    ids=ascii,
)
def test_gaps_are_rated_as_places_to_end_a_window(family: Tokenizer, gap: str, rate: int) -> None:
    """All tokenizers rate the same text alike."""
    encoding = family.encode(f"pain{gap}fever")
    assert encoding.cuts[np.flatnonzero(encoding.offsets[:, 0] >= 4 + len(gap))[0]] == rate


def test_a_lone_blank_that_leads_a_word_is_its_first_part() -> None:
    """The first token of a word is the one that was labelled in training, be it a lone "▁" or "Ġ"."""
    codes = np.frombuffer("a (b".encode("utf-32-le"), dtype=np.uint32)
    offsets = np.array([(0, 1), (1, 2), (2, 3), (3, 4)], np.int32)
    trimmed, leads = words_of.trim(offsets, codes, np.array([0, 1, 1, 1], np.int32))
    assert trimmed.tolist() == [[0, 1], [2, 2], [2, 3], [3, 4]]
    assert words_of.number_words(trimmed, codes, leads).tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize("gap", ["\n", "\n\n", "\r\n\r\n", "   ", "\n  - "])
def test_a_token_of_blanks_is_no_part_of_a_word(family: Tokenizer, gap: str) -> None:
    """A line break that is a token of its own must not decide the label of the word behind it."""
    encoding = family.encode(f"pain{gap}fever")
    words = _words(family, f"pain{gap}fever")
    assert [words[0], words[-1]] == ["pain", "fever"]
    first = np.flatnonzero(encoding.word_ids == encoding.word_ids.max())[0]
    assert encoding.offsets[first, 0] == 4 + len(gap)


def test_words_are_alike_for_all_tokenizers(family: Tokenizer, bert: Tokenizer) -> None:
    """Byte-level BPE and sentencepiece get the words that BERT's own pre-tokenizer makes."""
    note = "Dyspnea on exertion, BP 148/92; s/p CABG.\nMetoprolol 25mg (held)\u2014see note."
    assert _words(family, note) == _words(bert, note)


def _words(reader: Tokenizer, note: str) -> list[str]:
    encoding = reader.encode(note)
    words = []
    for number in range(int(encoding.word_ids.max()) + 1):
        offsets = encoding.offsets[encoding.word_ids == number]
        words.append(note[offsets[0, 0] : offsets[-1, 1]])
    return [word for word in words if word]


def test_an_empty_note_has_no_tokens(family: Tokenizer) -> None:
    """Nothing is nothing, not an error."""
    assert len(family.encode("")) == 0


def test_special_ids_frame_a_window(bert: Tokenizer) -> None:
    """[CLS] before, [SEP] after, [PAD] to fill up."""
    vocabulary = json.loads((STARTER / "tokenizer.json").read_text())["model"]["vocab"]
    assert bert.prefix.tolist() == [vocabulary["[CLS]"]]
    assert bert.suffix.tolist() == [vocabulary["[SEP]"]]
    assert bert.pad_id == vocabulary["[PAD]"]


@pytest.mark.parametrize("content", [None, "{}", "no json"], ids=["missing", "empty", "broken"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: str | None) -> None:
    """One clear line."""
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        Tokenizer(path)


@pytest.mark.parametrize("text", ["\u4e2d", "\u0e17", "a", "QUJD", "1,", "\u1112\u1161\u11ab"], ids=ascii)
def test_a_text_without_any_space_is_still_read_in_pieces(family: Tokenizer, text: str) -> None:
    """However it is written, no piece is much longer than the others, and no cut parts a character."""
    note = text * (100_000 // len(text))
    pieces = list(family._pieces(note))
    assert [start for start, _ in pieces[1:]] == [stop for _, stop in pieces[:-1]]
    assert pieces[-1][1] == len(note)
    assert max(stop - start for start, stop in pieces) <= tokenizer._PIECE + tokenizer._FARTHEST
    assert all(start % len(text) == 0 for start, _ in pieces if text.startswith("\u1112"))


def test_ideographs_have_the_tokens_of_the_whole_note_wherever_it_is_cut(
    bert: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BERT reads each of them as a word, so that a cut between two changes nothing."""
    note = "\u4e2d\u6587\u75c5\u6b77" * 30_000
    pieces = bert.encode(note)
    monkeypatch.setattr(tokenizer, "_PIECE", len(note))
    whole = bert.encode(note)
    for name in ("ids", "offsets", "word_ids"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name), err_msg=name)


def test_dropout_that_a_trainer_left_on_is_switched_off(tmp_path: Path) -> None:
    """The same text has the same tokens at every call."""
    backend = small_tokenizers.byte_bpe(path.read_text(encoding="utf-8") for path in EXAMPLES)
    data = json.loads(backend.to_str())
    data["model"]["dropout"] = 0.5
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(data))
    family = Tokenizer(path)
    assert len({str(family.encode("metformin and lisinopril daily").ids) for _ in range(30)}) == 1
