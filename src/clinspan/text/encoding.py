"""The type that every step reads: the tokens of a note and where they stand in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# How good a place the text before a token is to end a window, worst to best (`Encoding.cuts`).
INSIDE_WORD, WORD_EDGE, SPACE, SENTENCE_END, LINE_END, BLANK_LINE = -1, 0, 1, 2, 3, 4

# Word number of tokens that hold nothing but whitespace; see `Encoding.word_ids`.
NO_WORD = -1


@dataclass(frozen=True, slots=True)
class Encoding:
    """The n tokens of one note, without special tokens.

    Attributes:
        ids: int32 (n,), token ids.
        offsets: int32 (n, 2), start and end of each token in characters of the note, end exclusive.
        word_ids: int32 (n,), number of the word that each token is part of, never decreasing; `NO_WORD`
            for tokens of whitespace alone, such as the line breaks of byte-level BPE.
        cuts: int8 (n,), how good a place the gap before each token is to end a window, from
            `INSIDE_WORD` to `BLANK_LINE`.
        by_whitespace: words end at whitespace alone, so that a word may begin or end with a mark.
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]
    word_ids: npt.NDArray[np.int32]
    cuts: npt.NDArray[np.int8]
    by_whitespace: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @staticmethod
    def empty() -> Encoding:
        """The encoding of a note without tokens."""
        return Encoding(
            np.zeros(0, np.int32), np.zeros((0, 2), np.int32), np.zeros(0, np.int32), np.zeros(0, np.int8)
        )
