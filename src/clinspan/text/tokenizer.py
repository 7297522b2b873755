"""Text -> token ids with exact character offsets, words, and the places where a window may end.

`tokenizers` does the tokenizing; this file guards what that library leaves to its caller: truncation
and padding stored in tokenizer.json, lone surrogates, special tokens spelled out in a note, memory on
long notes, and what a word is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken
from tokenizers import Encoding as _Encoded
from tokenizers import Tokenizer as _Backend

from clinspan.errors import BundleError

Ints = npt.NDArray[np.integer]

# How good a place the text before a token is to end a window, worst to best (`Encoding.cuts`).
INSIDE_WORD, WORD_EDGE, SPACE, SENTENCE_END, LINE_END, BLANK_LINE = -1, 0, 1, 2, 3, 4

# Word number of tokens that hold nothing but blanks; see `Encoding.word_ids`.
NO_WORD = -1

# Notes are tokenized in pieces of about this many characters: `tokenizers` holds some 150 bytes a
# character while it works, so a 5 MB note in one piece would take 750 MB.
_PIECE = 32_768

_LINE_BREAKS = np.array([0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029], dtype=np.uint32)
_SENTENCE_ENDS = np.array([ord(c) for c in ".!?。"], dtype=np.uint32)
# No vocabulary is expected to hold these letters; one without an unknown token fails on them.
_RARE = "\u16a0 \u3400 \U00010900"
_SURROGATES = re.compile("[\ud800-\udfff]")
# Where a note may be cut into pieces: before a blank that no tokenizer reads across, so that the piece
# after it begins as it would have gone on. WordPiece drops blanks. The others glue a blank to the word
# behind it and squeeze runs of blanks, some of which only appear when a rare character is normalized: for
# them it is a single space among common characters.
_SEAM_WORDPIECE = re.compile(r"[ \t\r\n]")
_COMMON = "0-9A-Za-z\u00c0-\u024f\u0386-\u03ff\u0400-\u04ff"
_SEAM = re.compile(f"(?<=[{_COMMON}.,;:!?)%]) (?=[{_COMMON}])")


@dataclass(frozen=True, slots=True)
class Encoding:
    """The tokens of one note, without special tokens. n = number of tokens.

    Attributes:
        ids: int32 (n,), token ids.
        offsets: int32 (n, 2), start and end of each token in characters of the note, end exclusive.
        word_ids: int32 (n,), number of the word that each token is part of, never decreasing; `NO_WORD`
            for tokens of blanks alone, such as the line breaks of byte-level BPE.
        cuts: int8 (n,), how good a place the gap before each token is to end a window, from
            `INSIDE_WORD` to `BLANK_LINE`.
    """

    ids: npt.NDArray[np.int32]
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
        unknown_id: id that stands for what the vocabulary does not hold.
        vocabulary: number of ids, added tokens included.
        largest_id: the largest id that a note or the frame around it can have.
    """

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        """Read a tokenizer.json.

        Args:
            path: the file.
            content: what it holds, where that was read and checked already.

        Raises:
            BundleError: the file is missing or `tokenizers` cannot read it, or cannot tokenize with it.
        """
        if content is None and not path.is_file():
            raise BundleError(f"{path.name} is missing in {path.parent}")
        try:
            backend = _Backend.from_file(str(path)) if content is None else _Backend.from_buffer(content)
        except BaseException as error:
            _raise_unless_failed(error)
            raise BundleError(f"{path} is not a tokenizer that this version of tokenizers reads") from error
        self._path = path
        backend.no_truncation()
        backend.no_padding()
        self._backend = backend
        self.prefix, self.suffix = _special_frame(self._tokenize("a", add_special_tokens=True), path)
        # Only after the frame was read: from here on "[SEP]" in a note is five characters of text.
        backend.encode_special_tokens = True
        self.vocabulary: int = backend.get_vocab_size(with_added_tokens=True)
        self.pad_id = _first_id(backend, "[PAD]", "<pad>", "<PAD>", "[pad]")
        self.unknown_id = _first_id(backend, "[UNK]", "<unk>", "<UNK>", "[unk]")
        added = backend.get_added_tokens_decoder()
        self._special = np.array([i for i, token in added.items() if token.special], dtype=np.int64)
        frame = [self.pad_id, self.unknown_id, *self.prefix.tolist(), *self.suffix.tolist()]
        self.largest_id = max(_largest_id(backend, added), *frame)
        lone = backend.token_to_id("▁")
        self._lone_blank = -1 if lone is None else lone
        self._knows_words = type(backend.model).__name__ == "WordPiece"
        self._encode_piece(_RARE, 0, len(_RARE))  # fails now rather than on the first note with such a word

    def encode(self, note: str, *, between: Callable[[], None] = lambda: None) -> Encoding:
        """Tokenize a note, whatever it contains and however long it is.

        `between` is called before each piece of a long note, and stops the work by raising.

        Offsets count characters (Unicode code points) of `note` itself.

        Words are what BERT's own pre-tokenizer calls words: runs between blanks, with every punctuation
        mark a word of its own. Tokenizers that know no such words (byte-level BPE, sentencepiece) get the
        same ones, worked out from the text.
        """
        pieces = []
        for start, stop in self._pieces(note):
            between()
            pieces.append(self._encode_piece(note, start, stop))
        return pieces[0] if len(pieces) == 1 else _join(note, [piece for piece in pieces if len(piece)])

    def frame(self, ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
        """Ids of a window between the model's special tokens, int64 (t,), as models take them."""
        return np.concatenate([self.prefix, ids, self.suffix])

    def _tokenize(self, text: str, *, add_special_tokens: bool = False) -> _Encoded:
        try:
            return self._backend.encode(text, add_special_tokens=add_special_tokens)
        except BaseException as error:  # noqa: BLE001  # panics; anything else goes on
            _raise_unless_failed(error)
            failure = type(error).__name__
        # Out here, so that no error carries the other one, which may quote the text.
        raise BundleError(f"{self._path} cannot tokenize some text ({failure})")

    def _pieces(self, note: str) -> Iterator[tuple[int, int]]:
        seam = _SEAM_WORDPIECE if self._knows_words else _SEAM
        start = 0
        while len(note) - start > _PIECE:
            found = seam.search(note, start + _PIECE)
            if found is None:
                break
            yield start, found.start()
            start = found.start()
        yield start, len(note)

    def _encode_piece(self, note: str, start: int, stop: int) -> Encoding:
        # A lone surrogate cannot be written as UTF-8 and makes tokenizers raise; one replacement
        # character for each keeps every offset.
        text = _SURROGATES.sub("\ufffd", note[start:stop])
        encoded = self._tokenize(text)
        ids = np.array(encoded.ids, dtype=np.int64)
        # A Unigram vocabulary holds "</s>" as a piece like any other, and finds it in a note.
        ids[np.isin(ids, self._special)] = self.unknown_id
        n = len(ids)
        offsets = np.fromiter(chain.from_iterable(encoded.offsets), np.int32, 2 * n).reshape(n, 2)
        if n and (ids.max() > self.largest_id or offsets.max() > len(text) or offsets.min() < 0):
            raise BundleError(f"{self._path} gives ids or offsets that cannot be: it is no sound tokenizer")
        codes = _codes(text)
        word_ids = np.array(encoded.word_ids, dtype=np.int32)
        if not self._knows_words:
            # The blank that sentencepiece puts before a text has the first character's offsets.
            lone = np.flatnonzero(ids == self._lone_blank)
            offsets[lone, 1] = np.where(
                _is_blank(codes)[offsets[lone, 0]], offsets[lone, 1], offsets[lone, 0]
            )
            offsets, leads = _trim(offsets, codes, word_ids)
            word_ids = _words(offsets, codes, leads)
        # Kept at half the size: a note of 5 million characters has more than a million of them.
        short = ids.astype(np.int32)
        return Encoding(short, offsets + np.int32(start), word_ids, _cuts(offsets, word_ids, codes))


def _join(note: str, pieces: Sequence[Encoding]) -> Encoding:
    """One encoding of pieces that have tokens, words numbered through and the gaps between them rated."""
    if not pieces:
        return Encoding(
            np.zeros(0, np.int32), np.zeros((0, 2), np.int32), np.zeros(0, np.int32), np.zeros(0, np.int8)
        )
    words = np.cumsum([0, *(int(piece.word_ids.max()) + 1 for piece in pieces[:-1])], dtype=np.int32)
    joined = Encoding(
        np.concatenate([piece.ids for piece in pieces]),
        np.concatenate([piece.offsets for piece in pieces]),
        np.concatenate(
            [
                np.where(piece.word_ids == NO_WORD, np.int32(NO_WORD), piece.word_ids + first)
                for piece, first in zip(pieces, words, strict=True)
            ]
        ),
        np.concatenate([piece.cuts for piece in pieces]),
    )
    for seam in np.cumsum([len(piece) for piece in pieces[:-1]]).tolist():
        two = joined.offsets[seam - 1 : seam + 1]
        base = max(int(two[0, 1]) - 1, 0)
        codes = _codes(_SURROGATES.sub("\ufffd", note[base : int(two[1, 1])]))
        joined.cuts[seam] = _cuts(two - base, np.arange(2, dtype=np.int32), codes)[1]
    return joined


def _codes(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


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


def _trim(
    offsets: npt.NDArray[np.int32], codes: npt.NDArray[np.uint32], units: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Take the blanks off tokens that carry some (byte-level BPE, sentencepiece).

    A token of blanks alone, such as a line break, becomes empty. It moves to the end of the token before
    it, so that the gap before the next word is seen whole. But where the pre-tokenizer made one unit of a
    blank and what follows (a lone "▁" or "Ġ"), the blank is the first part of that word, and stays there.

    Args:
        offsets: int32 (n, 2).
        codes: uint32, characters of the text.
        units: int32 (n,), number of the pre-tokenizer's unit that each token is part of.

    Returns:
        Offsets, int32 (n, 2), and which tokens are empty and lead a word, bool (n,).
    """
    start, end = _visible(offsets, _is_blank(codes))
    empty = start == end
    leads = np.zeros(len(offsets), dtype=bool)
    leads[:-1] = empty[:-1] & ~empty[1:] & (units[1:] == units[:-1])
    lost = empty & ~leads
    start[lost] = end[lost] = np.maximum.accumulate(np.where(empty, 0, end))[lost]
    return np.stack([start, end], axis=1), leads


def _visible(
    offsets: npt.NDArray[np.int32], blank: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Start and end of each token without the blanks at its ends, int32 (n,) each; a token of blanks alone ends up
    empty where it ended.

    One look-up a token, however many blanks: sentencepiece makes a single token of a megabyte of rare ones.
    """
    place = np.arange(len(blank), dtype=np.int32)
    next_visible = np.minimum.accumulate(np.where(blank, place[-1], place)[::-1])[::-1]
    past_visible = np.zeros_like(place)
    past_visible[1:] = np.maximum.accumulate(np.where(blank, 0, place + 1)[:-1])
    start = np.minimum(next_visible[offsets[:, 0]], offsets[:, 1])
    return start, np.maximum(past_visible[offsets[:, 1]], start)


def _is_blank(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Blanks among the characters, bool (characters + 1,); the end of the text is none."""
    return np.append(_flags(codes) & _BLANK != 0, False)


def _words(
    offsets: npt.NDArray[np.int32], codes: npt.NDArray[np.uint32], leads: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int32]:
    """Number the words: a new one after a blank, at a punctuation mark and after one."""
    word_ids = np.full(len(offsets), NO_WORD, dtype=np.int32)
    part = np.flatnonzero((offsets[:, 0] < offsets[:, 1]) | leads)
    if len(part) == 0:
        return word_ids
    start, end, leads = offsets[part, 0], offsets[part, 1], leads[part]
    mark = _flags(codes) & _PUNCTUATION != 0
    new = np.ones(len(part), dtype=bool)
    new[1:] = (start[1:] > end[:-1]) | mark[start[1:]] | mark[np.maximum(end[:-1], 1) - 1] | leads[1:]
    # Tokens of one character that takes several (bytes of an emoji, say) stay together.
    new[1:] &= ~((start[1:] < end[:-1]) & (start[1:] >= start[:-1])) & ~leads[:-1]
    word_ids[part] = np.cumsum(new, dtype=np.int32) - 1
    return word_ids


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


def _special_frame(framed: _Encoded, path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    ids = np.array(framed.ids, dtype=np.int64)
    content = np.flatnonzero(np.array(framed.special_tokens_mask) == 0)
    if len(content) == 0:
        raise BundleError(f"{path} turns plain text into no tokens: it is not a tokenizer of notes")
    return ids[: content[0]], ids[content[-1] + 1 :]


def _largest_id(backend: _Backend, added: Mapping[int, AddedToken]) -> int:
    """The largest id that is no special token's, which are never found in a note."""
    special = {i for i, token in added.items() if token.special}
    last = backend.get_vocab_size(with_added_tokens=True) - 1
    if last >= 0 and backend.id_to_token(last) is not None:
        plain = next((i for i in range(last, -1, -1) if i not in special), 0)
        return max([plain, *(i for i in added if i not in special)])
    # Numbered with gaps: all have to be looked at, which takes longer.
    ids: set[int] = set(backend.get_vocab(with_added_tokens=True).values())
    return max(ids - special, default=0)


def _raise_unless_failed(error: BaseException) -> None:
    """Let pass what is no failure of tokenizers, whose panics are not Exceptions."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error


def _first_id(backend: _Backend, *names: str) -> int:
    found = (backend.token_to_id(name) for name in names)
    return next((int(token) for token in found if token is not None), 0)
