"""Kind P: a model that was trained on words between whitespace is read so where it, or its user, says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support import bundles, small_tokenizers

from clinspan import BundleError, InputError, LoadOptions, Recognizer
from clinspan.bundle.manifest import open_bundle
from clinspan.text.encoding import NO_WORD
from clinspan.text.tokenizer import Tokenizer
from clinspan.text.words import trim_marks

TEXTS = ["Give aspirin 5 mg 5 mg 120 mg then 5 120 mg 81 mg", "pain (chest) 1/2 tab; p.o. b.i.d. 120/80"]
BY_WHITESPACE = LoadOptions(words="whitespace")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level model in which only the first piece of each word between whitespace has a label worth anything.

    A number is a B-DRUG, its unit an I-DRUG, "pain" and "(" are a B-PROBLEM; all else says O.
    """
    tokenizer = small_tokenizers.byte_bpe(TEXTS * 20)
    table = np.zeros((tokenizer.get_vocab_size(), len(bundles.LABELS)), np.float32)
    table[:, 0] = 8
    for piece, label in {"Ġ5": 1, "Ġ120": 1, "Ġ1": 1, "Ġmg": 2, "Ġ(": 3, "pain": 3, "Ġpain": 3}.items():
        row = tokenizer.token_to_id(piece)
        if row is not None:
            table[row], table[row, label] = 0, 8
    return bundles.bundle(tmp_path_factory.mktemp("words") / "bundle", tokenizer, table=table)


def read(folder: Path, note: str, options: LoadOptions | None = None) -> list[str]:
    with Recognizer.load(folder, threads=1, options=options) as recognizer:
        return [span.text for span in recognizer.recognize(note)]


@pytest.mark.parametrize(
    ("note", "by_punctuation", "by_whitespace"),
    [
        ("Give aspirin 5.5 mg", ["5", "mg"], ["5.5 mg"]),
        ("then 120/80 mg, then 5 mg.", ["120", "mg", "5 mg"], ["120/80 mg", "5 mg"]),
        ("Give 5-120 mg (chest) then", ["5", "mg", "("], ["5-120 mg", "chest"]),
    ],
)
def test_a_word_is_read_whole_by_its_first_piece(
    folder: Path, note: str, by_punctuation: list[str], by_whitespace: list[str]
) -> None:
    """The marks around a word are left out of the span, those inside it are not."""
    assert read(folder, note) == by_punctuation
    assert read(folder, note, BY_WHITESPACE) == by_whitespace
    assert read(folder, note, LoadOptions(words="punctuation")) == by_punctuation


def test_the_bundle_says_which_rule_and_the_user_may_choose_another(folder: Path, tmp_path: Path) -> None:
    """In clinspan.json under `words`; a bundle from before has none, and reads by punctuation."""
    note, manifest = "Give 5.5 mg", json.loads((folder / "clinspan.json").read_text(encoding="utf-8"))
    assert manifest["words"] == "punctuation"
    old = bundles.edit(shutil.copytree(folder, tmp_path / "old"), "clinspan.json", words="whitespace")
    with Recognizer.load(old, threads=1) as recognizer:
        assert recognizer.report().words == "whitespace"
    assert read(old, note) == ["5.5 mg"]
    assert read(old, note, LoadOptions(words="punctuation")) == ["5", "mg"]
    for name in ("words", "sha256"):
        del manifest[name]
    (old / "clinspan.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert open_bundle(old).words == "punctuation"


def test_a_rule_that_there_is_not_is_refused(folder: Path, tmp_path: Path) -> None:
    """In the bundle as in the options."""
    bad = bundles.edit(shutil.copytree(folder, tmp_path / "bad"), "clinspan.json", words="x")
    with pytest.raises(BundleError, match="unknown rule of words 'x': expected punctuation, whitespace"):
        open_bundle(bad)
    with pytest.raises(InputError, match="words is 'x': expected one of punctuation, whitespace"):
        Recognizer.load(folder, options=LoadOptions(words="x"))


@pytest.mark.parametrize("kind", ["byte_bpe", "wordpiece", "unigram"])
def test_words_between_whitespace_are_those_of_split(kind: str, tmp_path: Path) -> None:
    """Whatever the tokenizer: two pieces share a word where no whitespace stands between them."""
    getattr(small_tokenizers, kind)(TEXTS * 20).save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer(tmp_path / "tokenizer.json", words="whitespace")

    @given(st.lists(st.sampled_from(["5.5", "mg,", "(pain)", "  ", " ", "\n", "a-b", "µg", "120/80."])))
    def same(parts: list[str]) -> None:
        note = "".join(parts)
        encoding = tokenizer.encode(note)
        assert encoding.by_whitespace
        place = np.cumsum(
            [not char.isspace() and (i == 0 or note[i - 1].isspace()) for i, char in enumerate(note)]
        )
        seen: dict[int, int] = {}
        # Unknown characters in a row are one piece to sentencepiece, across a line end too.
        assume(not any(len(note[start:end].split()) > 1 for start, end in encoding.offsets.tolist()))
        for word, (start, end) in zip(encoding.word_ids.tolist(), encoding.offsets.tolist(), strict=True):
            if word != NO_WORD and end > start:
                assert seen.setdefault(int(place[start]), word) == word
        assert len(set(seen.values())) == len(seen)

    same()


@pytest.mark.parametrize(
    ("marked", "kept"),
    [
        ("5.5 mg,", "5.5 mg"),
        ("5.5.", "5.5"),
        ("b.i.d.", "b.i.d."),
        ("p.o.,", "p.o."),
        ("U.S.", "U.S."),
        ("(aspirin)", "aspirin"),
        ("(a) and (b)", "(a) and (b)"),
        ("aspirin (oral)", "aspirin (oral)"),
        ("aspirin)", "aspirin"),
        ("(aspirin", "aspirin"),
        ('"tight"', "tight"),
        ("50%", "50%"),
        ("mg ;", "mg"),
        ("...", ""),
        ("Na+", "Na+"),
    ],
)
def test_only_the_marks_of_a_sentence_are_left_out(marked: str, kept: str) -> None:
    """Brackets with their partner inside stay, and so do the dots of abbreviations and every other sign."""
    note = f"x {marked} y"
    start, end = trim_marks(note, 2, 2 + len(marked))
    assert note[start:end] == kept
