"""Text -> token ids with exact character offsets, words, and the places where a window may end.

`tokenizers` does the tokenizing; this file guards what that library leaves to its caller: truncation
and padding stored in tokenizer.json, lone surrogates, special tokens spelled out in a note, memory on
long notes, and what a word is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer as _Backend

from clinspan.errors import BundleError

Ints = npt.NDArray[np.integer]

# How good a place the text before a token is to end a window, worst to best (`Encoding.cuts`).
INSIDE_WORD, WORD_EDGE, SPACE, SENTENCE_END, LINE_END, BLANK_LINE = -1, 0, 1, 2, 3, 4

# Notes are tokenized in pieces of about this many characters: `tokenizers` holds some 150 bytes a
# character while it works, so a 5 MB note in one piece would take 750 MB.
_PIECE = 32_768

_LINE_BREAKS = np.array([0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029], dtype=np.uint32)
_SENTENCE_ENDS = np.array([ord(c) for c in ".!?。"], dtype=np.uint32)
_SURROGATES = re.compile("[\ud800-\udfff]")
# A single space between two words: the only kind of place where a note is cut into pieces, because
# no tokenizer reads across it, and the piece after it begins as it would have gone on.
_SEAM = re.compile(r"(?<=\S) (?=\w)")


@dataclass(frozen=True, slots=True)
class Encoding:
    """The tokens of one note, without special tokens. n = number of tokens.

    Attributes:
        ids: int64 (n,), token ids.
        offsets: int32 (n, 2), start and end of each token in characters of the note, end exclusive.
        word_ids: int32 (n,), number of the word that each token is part of, never decreasing.
        cuts: int8 (n,), how good a place the gap before each token is to end a window, from
            `INSIDE_WORD` to `BLANK_LINE`.
    """

    ids: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int32]
    word_ids: npt.NDArray[np.int32]
    cuts: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """A tokenizer.json, made safe for notes of any length and content.

    Attributes:
        prefix, suffix: int64, ids of the special tokens before and after a window, such as [CLS] and [SEP].
        pad_id: id that fills up rows of a batch.
        vocabulary: number of ids, added tokens included.
    """

    def __init__(self, path: Path) -> None:
        """Read a tokenizer.json.

        Raises:
            BundleError: the file is missing or `tokenizers` cannot read it.
        """
        if not path.is_file():
            raise BundleError(f"{path.name} is missing in {path.parent}")
        try:
            backend = _Backend.from_file(str(path))
        except Exception as error:
            raise BundleError(f"{path} is not a tokenizer that this version of tokenizers reads") from error
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self.prefix, self.suffix = _special_frame(backend)
        # Only after the frame was read: from here on "[SEP]" in a note is five characters of text.
        backend.encode_special_tokens = True
        self.vocabulary: int = backend.get_vocab_size(with_added_tokens=True)
        self.pad_id = _pad_id(backend)
        self._knows_words = type(backend.model).__name__ == "WordPiece"

    def encode(self, note: str) -> Encoding:
        """Tokenize a note, whatever it contains and however long it is.

        Offsets count characters (Unicode code points) of `note` itself.

        Words are what BERT's own pre-tokenizer calls words: runs between blanks, with every punctuation
        mark a word of its own. Tokenizers that know no such words (byte-level BPE, sentencepiece) get the
        same ones, worked out from the text.
        """
        pieces = [self._encode_piece(note, start, stop) for start, stop in _pieces(note)]
        if len(pieces) == 1:
            return pieces[0]
        words = np.cumsum([0] + [int(p.word_ids[-1]) + 1 if len(p) else 0 for p in pieces])
        return Encoding(
            np.concatenate([p.ids for p in pieces]),
            np.concatenate([p.offsets for p in pieces]),
            np.concatenate([p.word_ids + first for p, first in zip(pieces, words, strict=False)]).astype(
                np.int32
            ),
            np.concatenate([p.cuts for p in pieces]),
        )

    def _encode_piece(self, note: str, start: int, stop: int) -> Encoding:
        # A lone surrogate cannot be written as UTF-8 and makes tokenizers raise; one replacement
        # character for each keeps every offset.
        text = _SURROGATES.sub("\ufffd", note[start:stop])
        encoded = self._backend.encode(text, add_special_tokens=False)
        ids = np.array(encoded.ids, dtype=np.int64)
        n = len(ids)
        offsets = np.fromiter(chain.from_iterable(encoded.offsets), np.int32, 2 * n).reshape(n, 2)
        codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
        if self._knows_words:
            word_ids = np.array(encoded.word_ids, dtype=np.int32)
        else:
            offsets = _trim(offsets, codes)
            word_ids = _words(offsets, codes)
        cuts = _cuts(offsets, word_ids, codes)
        if n and start:
            cuts[0] = SENTENCE_END if note[start - 1] in ".!?。" else SPACE
        return Encoding(ids, offsets + np.int32(start), word_ids, cuts)


def _pieces(note: str) -> Iterator[tuple[int, int]]:
    start = 0
    while len(note) - start > _PIECE:
        seam = _SEAM.search(note, start + _PIECE)
        if seam is None:
            break
        yield start, seam.start()
        start = seam.start()
    yield start, len(note)


def _cuts(
    offsets: npt.NDArray[np.int32], word_ids: npt.NDArray[np.int32], codes: npt.NDArray[np.uint32]
) -> npt.NDArray[np.int8]:
    """Rate the gap before each token as a place to end a window; the first token's rate means nothing."""
    n = len(offsets)
    cuts = np.zeros(n, dtype=np.int8)
    if n < 2:
        return cuts
    ends, starts = offsets[:-1, 1], offsets[1:, 0]
    breaks = np.isin(codes, _LINE_BREAKS)
    breaks[:-1] &= ~((codes[:-1] == 0x0D) & (codes[1:] == 0x0A))  # a CRLF is one line break
    counted = np.concatenate([[0], np.cumsum(breaks, dtype=np.int32)])
    lines = counted[np.maximum(starts, ends)] - counted[ends]
    gap = starts > ends
    sentence = gap & np.isin(codes[np.maximum(ends, 1) - 1], _SENTENCE_ENDS)
    cuts[1:] = np.select(
        [word_ids[1:] == word_ids[:-1], lines > 1, lines == 1, sentence, gap],
        [INSIDE_WORD, BLANK_LINE, LINE_END, SENTENCE_END, SPACE],
        WORD_EDGE,
    )
    return cuts


def _trim(offsets: npt.NDArray[np.int32], codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    """Take the blanks off tokens that carry the blank before their word (byte-level BPE, sentencepiece)."""
    start, end = offsets[:, 0].copy(), offsets[:, 1].copy()
    blank = _flags(codes) & _BLANK != 0
    while True:
        step = (start < end) & blank[np.minimum(start, len(codes) - 1)] if len(codes) else np.zeros(0, bool)
        if not step.any():
            break
        start[step] += 1
    while True:
        step = (start < end) & blank[np.maximum(end, 1) - 1] if len(codes) else np.zeros(0, bool)
        if not step.any():
            break
        end[step] -= 1
    return np.stack([start, end], axis=1)


def _words(offsets: npt.NDArray[np.int32], codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    """Number the words: a new one after a blank, at a punctuation mark and after one."""
    n = len(offsets)
    if n == 0 or len(codes) == 0:
        return np.zeros(n, dtype=np.int32)
    flags = _flags(codes)
    last = len(codes) - 1
    start, end = offsets[:, 0], offsets[:, 1]
    new = np.ones(n, dtype=bool)
    new[1:] = (
        (start[1:] > end[:-1])
        | (flags[np.minimum(start[1:], last)] & _PUNCTUATION != 0)
        | (flags[np.maximum(end[:-1], 1) - 1] & _PUNCTUATION != 0)
    )
    # Tokens of one character that takes several (bytes of an emoji, say) stay together.
    new[1:] &= ~((start[1:] < end[:-1]) & (start[1:] >= start[:-1]))
    return (np.cumsum(new) - 1).astype(np.int32)


_BLANK, _PUNCTUATION = 1, 2
_TABLE_SIZE = 0x3100


def _flags(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Blank and punctuation flags of each character, uint8 (characters,)."""
    table = _flag_table()
    flags = table[np.minimum(codes, _TABLE_SIZE - 1)]
    rare = codes >= _TABLE_SIZE
    if rare.any():
        values, where = np.unique(codes[rare], return_inverse=True)
        flags[rare] = np.array([_flag(chr(v)) for v in values.tolist()], dtype=np.uint8)[where]
    return flags


@cache
def _flag_table() -> npt.NDArray[np.uint8]:
    return np.array([_flag(chr(code)) for code in range(_TABLE_SIZE)], dtype=np.uint8)


def _flag(char: str) -> int:
    if char.isspace():
        return _BLANK
    # BERT's definition (arXiv:1810.04805, reference tokenizer): every ASCII character that is neither
    # letter, digit nor blank, and the Unicode punctuation categories.
    is_ascii_mark = char.isascii() and char.isprintable() and not char.isalnum()
    return _PUNCTUATION if is_ascii_mark or unicodedata.category(char).startswith("P") else 0


def _special_frame(backend: _Backend) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    framed = backend.encode("a")
    ids = np.array(framed.ids, dtype=np.int64)
    content = np.flatnonzero(np.array(framed.special_tokens_mask) == 0)
    if len(content) == 0:
        raise BundleError("tokenizer.json turns plain text into no tokens: it is not a tokenizer of notes")
    return ids[: content[0]], ids[content[-1] + 1 :]


def _pad_id(backend: _Backend) -> int:
    for token in ("[PAD]", "<pad>", "<PAD>", "[pad]"):
        found = backend.token_to_id(token)
        if found is not None:
            return int(found)
    return 0
