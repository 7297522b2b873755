"""Sentencepiece models with a precompiled normalizer, which drops control characters: offsets stay right."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import tiny_checkpoints

from clinspan.text.tokenizer import Tokenizer

pytestmark = pytest.mark.export

NOTE = "Given aspirin at home. Then aspirin again."
# Those that the normalizer drops; HL7 over MLLP begins with U+000B.
DROPPED = [*range(1, 9), 0xB, *range(0xE, 0x20), 0x7F, 0x8F, 0x9F]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A sentencepiece Unigram model of a few hundred pieces."""
    folder = tmp_path_factory.mktemp("sentencepiece")
    tiny_checkpoints.sentencepiece("DebertaV2TokenizerFast")().save_pretrained(folder)
    return Tokenizer(folder / "tokenizer.json")


@pytest.mark.parametrize("count", [1, 2, 5])
def test_characters_that_are_dropped_at_the_start_move_no_offset(tokenizer: Tokenizer, count: int) -> None:
    """The tokens of the note behind them are those of the note alone, moved by their number."""
    assert tokenizer._drops_characters
    plain = tokenizer.encode(NOTE)
    for code in DROPPED:
        moved = tokenizer.encode(chr(code) * count + NOTE)
        np.testing.assert_array_equal(moved.ids, plain.ids, err_msg=hex(code))
        np.testing.assert_array_equal(moved.offsets, plain.offsets + count, err_msg=hex(code))


@pytest.mark.parametrize(
    "note", ["\x0b", "\x0b\x1f", "a\x0b", "\x0b a", "\x0b\n\x0bpain", "\x0bé"], ids=ascii
)
def test_notes_of_little_but_such_characters_are_read(tokenizer: Tokenizer, note: str) -> None:
    """Offsets stay inside the note, and the last letter is the end of the last token."""
    encoding = tokenizer.encode(note)
    assert (encoding.offsets >= 0).all()
    assert (encoding.offsets <= len(note)).all()
    letters = [place for place, char in enumerate(note) if char.isalpha()]
    assert not letters or encoding.offsets[-1, 1] == letters[-1] + 1
