"""Text -> token ids with exact character offsets, words, and the places where a window may end.

`tokenizers` does the tokenizing; this file guards what that library leaves to its caller: truncation
and padding stored in tokenizer.json, lone surrogates, special tokens spelled out in a note, memory on
long notes, and what a word is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tokenizers
from tokenizers import AddedToken
from tokenizers import Encoding as _Encoded
from tokenizers import Tokenizer as _Backend

from clinspan.errors import BundleError, raised_by
from clinspan.text.encoding import NO_WORD, Encoding
from clinspan.text.graphemes import Clusters
from clinspan.text.pairs import PairFrame
from clinspan.text.words import WORD_RULES, codes_of, is_blank, number_words, rate_cuts, trim

# The version of tokenizers that is in use.
TOKENIZERS_VERSION: str = tokenizers.__version__

# Notes are tokenized in pieces of about this many characters: `tokenizers` holds some 150 bytes a
# character while it works, so a 5 MB note in one piece would take 750 MB.
_PIECE = 32_768
# The next piece begins at most this many characters later, at a space if there is one.
_FARTHEST = 32_768
# A cut between two pieces is tried on this many characters on each side of it, at this many places.
_AROUND = 128
_TRIES = 8

# No vocabulary is expected to hold these letters; one without an unknown token fails on them.
_RARE = "\u16a0 \u3400 \U00010900"
_SURROGATES = re.compile("[\ud800-\udfff]")
# Where a note may be cut into pieces: before whitespace that no tokenizer reads across, so that the next
# piece has the same tokens as in the whole note. WordPiece drops whitespace. The others join a space to the
# word after it and collapse runs of whitespace, some of which only appear when a rare character is
# normalized: for them it is a single space among common characters.
_SEAM_WORDPIECE = re.compile(r"[ \t\r\n]")
# A WordPiece tokenizer with a token for the line end is cut after the whitespace, so that such a token follows its word.
_SEAM_LINES = re.compile(r"(?<=[ \t\r\n])(?=\w)")
_COMMON = "0-9A-Za-z\u00c0-\u024f\u0386-\u03ff\u0400-\u04ff"
_SEAM = re.compile(f"(?<=[{_COMMON}.,;:!?)%]) (?=[{_COMMON}])")


class Tokenizer:
    """A tokenizer.json, made safe for notes of any length and content.

    Attributes:
        prefix, suffix: int64, ids of the special tokens before and after a window, such as [CLS] and [SEP].
        pad_id: id that fills up rows of a batch.
        unknown_id: id that stands for what the vocabulary does not hold.
        vocabulary: number of ids, added tokens included.
        largest_id: the largest id that a note or the frame around it can have.
    """

    def __init__(self, path: Path, content: bytes | None = None, *, words: str = WORD_RULES[0]) -> None:
        """Read a tokenizer.json.

        Args:
            path: the file.
            content: what it holds, where that was read and checked already.
            words: where words end, one of `WORD_RULES`.

        Raises:
            BundleError: the file is missing or `tokenizers` cannot read it, or cannot tokenize with it.
        """
        if content is None and not path.is_file():
            raise BundleError(f"{path.name} is missing in {path.parent}")
        try:
            backend = _Backend.from_file(str(path)) if content is None else _Backend.from_buffer(content)
        except BaseException as error:
            if not raised_by(error, "tokenizers"):
                raise
            raise BundleError(f"{path} is not a tokenizer that this version of tokenizers reads") from error
        self._path = path
        backend.no_truncation()
        backend.no_padding()
        if hasattr(backend.model, "dropout"):
            backend.model.dropout = None  # left on by a trainer, it gives other tokens at every call
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
        self._drops_characters = "Precompiled" in str(backend.normalizer)
        self._knows_words = type(backend.model).__name__ == "WordPiece"
        self._by_whitespace = words == "whitespace"
        self._knows_blanks = any(token.content.isspace() for token in added.values())
        self._encode_piece(_RARE, 0, len(_RARE))  # fails now rather than on the first note with such a word

    def encode(self, note: str, *, between: Callable[[], None] = lambda: None) -> Encoding:
        """Tokenize a note, whatever it contains and however long it is.

        `between` is called before each piece of a long note, and stops the work by raising.

        Offsets count characters (Unicode code points) of `note` itself.

        Words are what BERT's own pre-tokenizer calls words: runs between whitespace, with every
        punctuation mark a word by itself. Tokenizers that know no such words (byte-level BPE, sentencepiece) get the
        same ones, worked out from the text. With `words="whitespace"` they are the runs between whitespace, whole.
        """
        pieces = []
        for start, stop in self._pieces(note):
            between()
            pieces.append(self._encode_piece(note, start, stop))
        return pieces[0] if len(pieces) == 1 else _join(note, [piece for piece in pieces if len(piece)])

    def frame(self, ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
        """Ids of a window between the model's special tokens, int64 (t,), as models take them."""
        return np.concatenate([self.prefix, ids, self.suffix])

    def pair_frame(self) -> PairFrame:
        """The special tokens around and between two texts.

        Raises:
            BundleError: the tokenizer drops one of two texts.
        """
        framed = self._backend.encode("a", "b", add_special_tokens=True)
        ids, types = np.array(framed.ids, dtype=np.int64), np.array(framed.type_ids, dtype=np.int64)
        first, second = (
            [at for at, side in enumerate(framed.sequence_ids) if side == which] for which in (0, 1)
        )
        if not first or not second:
            raise BundleError(f"{self._path} drops one of two texts: it is not a tokenizer of pairs")
        prefix, middle = slice(first[0]), slice(first[-1] + 1, second[0])
        suffix = slice(second[-1] + 1, len(ids))
        return PairFrame(
            ids[prefix],
            ids[middle],
            ids[suffix],
            (types[prefix], int(types[first[0]]), types[middle], int(types[second[0]]), types[suffix]),
        )

    def _tokenize(self, text: str, *, add_special_tokens: bool = False) -> _Encoded:
        try:
            return self._backend.encode(text, add_special_tokens=add_special_tokens)
        except BaseException as error:
            if not raised_by(error, "tokenizers"):
                raise
            failure = type(error).__name__
        # Out here, so that no error carries the other one, which may quote the text.
        raise BundleError(f"{self._path} cannot tokenize some text ({failure})")

    def _pieces(self, note: str) -> Iterator[tuple[int, int]]:
        start = 0
        while len(note) - start > _PIECE:
            stop = self._seam(note, start + _PIECE)
            yield start, stop
            start = stop
        if start < len(note) or start == 0:
            yield start, len(note)

    def _seam(self, note: str, place: int) -> int:
        """Where to cut a note at or after a place, so that the tokens on both sides are those of the whole note.

        A text without spaces, in ideographs say, may have no such place: then it is cut between two characters.
        """
        seam = _SEAM if not self._knows_words else _SEAM_LINES if self._knows_blanks else _SEAM_WORDPIECE
        spaces = (found.start() for found in seam.finditer(note, place, place + _FARTHEST))
        for cut in islice(spaces, _TRIES):
            if self._is_seam(note, cut):
                return cut
        if len(note) - place <= _FARTHEST:
            return len(note)
        clusters = Clusters(note)
        edges = [cut for cut in range(place, place + _AROUND) if clusters.is_edge(cut)]
        for cut in edges[:_TRIES]:
            if self._is_seam(note, cut):
                return cut
        return edges[0] if edges else place

    def _is_seam(self, note: str, cut: int) -> bool:
        before, after = note[cut - _AROUND : cut], note[cut : cut + _AROUND]
        return self._ids(before + after) == self._ids(before) + self._ids(after)

    def _dropped_at_start(self, text: str) -> int:
        """How many characters at the start of a text the normalizer drops.

        tokenizers counts them wrongly with sentencepiece's precompiled normalizer: all offsets would be too small.
        """
        for begin, char in enumerate(text):
            if char.isalnum() or self._backend.normalizer.normalize_str(char):
                return begin
        return len(text)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenize(_SURROGATES.sub("\ufffd", text)).ids
        return ids

    def _encode_piece(self, note: str, start: int, stop: int) -> Encoding:
        # A lone surrogate cannot be written as UTF-8 and makes tokenizers raise; one replacement
        # character for each keeps every offset.
        text = _SURROGATES.sub("\ufffd", note[start:stop])
        if self._drops_characters:
            begin = self._dropped_at_start(text)
            text, start = text[begin:], start + begin
        encoded = self._tokenize(text)
        ids = np.array(encoded.ids, dtype=np.int64)
        # A Unigram vocabulary holds "</s>" as a piece like any other, and finds it in a note.
        ids[np.isin(ids, self._special)] = self.unknown_id
        n = len(ids)
        offsets = np.fromiter(chain.from_iterable(encoded.offsets), np.int32, 2 * n).reshape(n, 2)
        if n and (ids.max() > self.largest_id or offsets.max() > len(text) or offsets.min() < 0):
            raise BundleError(f"{self._path} gives impossible ids or offsets: the tokenizer is broken")
        codes = codes_of(text)
        word_ids = np.array(encoded.word_ids, dtype=np.int32)
        if not self._knows_words:
            # The blank that sentencepiece puts before a text has the first character's offsets.
            lone = np.flatnonzero(ids == self._lone_blank)
            offsets[lone, 1] = np.where(is_blank(codes)[offsets[lone, 0]], offsets[lone, 1], offsets[lone, 0])
            offsets, leads = trim(offsets, codes, word_ids)
            word_ids = number_words(offsets, codes, leads, by_whitespace=self._by_whitespace)
        else:
            if self._knows_blanks:
                offsets, _ = trim(offsets, codes, word_ids)
                seen = offsets[:, 0] < offsets[:, 1]
                word_ids[seen] = np.unique(word_ids[seen], return_inverse=True)[1]
                word_ids[~seen] = NO_WORD
            if self._by_whitespace:
                word_ids = number_words(offsets, codes, np.zeros(n, dtype=np.bool_), by_whitespace=True)
        # Kept at half the size: a note of 5 million characters has more than a million of them.
        short = ids.astype(np.int32)
        cuts = rate_cuts(offsets, word_ids, codes)
        return Encoding(short, offsets + np.int32(start), word_ids, cuts, self._by_whitespace)


def _join(note: str, pieces: Sequence[Encoding]) -> Encoding:
    """One encoding of pieces that have tokens, words numbered through and the gaps between them rated."""
    if not pieces:
        return Encoding.empty()
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
        pieces[0].by_whitespace,
    )
    for seam in np.cumsum([len(piece) for piece in pieces[:-1]]).tolist():
        two = joined.offsets[seam - 1 : seam + 1]
        base = max(int(two[0, 1]) - 1, 0)
        codes = codes_of(_SURROGATES.sub("\ufffd", note[base : int(two[1, 1])]))
        joined.cuts[seam] = rate_cuts(two - base, np.arange(2, dtype=np.int32), codes)[1]
    return joined


def _special_frame(framed: _Encoded, path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    ids = np.array(framed.ids, dtype=np.int64)
    content = np.flatnonzero(np.array(framed.special_tokens_mask) == 0)
    if len(content) == 0:
        raise BundleError(f"{path} turns plain text into no tokens: it is not a tokenizer of notes")
    return ids[: content[0]], ids[content[-1] + 1 :]


def _largest_id(backend: _Backend, added: Mapping[int, AddedToken]) -> int:
    """Return the largest id that is not a special token's; those never occur in a note."""
    special = {i for i, token in added.items() if token.special}
    last = backend.get_vocab_size(with_added_tokens=True) - 1
    if last >= 0 and backend.id_to_token(last) is not None:
        plain = next((i for i in range(last, -1, -1) if i not in special), 0)
        return max([plain, *(i for i in added if i not in special)])
    # Numbered with gaps: all have to be looked at, which takes longer.
    ids: set[int] = set(backend.get_vocab(with_added_tokens=True).values())
    return max(ids - special, default=0)


def _first_id(backend: _Backend, *names: str) -> int:
    found = (backend.token_to_id(name) for name in names)
    return next((int(token) for token in found if token is not None), 0)
