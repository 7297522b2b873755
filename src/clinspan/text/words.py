"""Find words, whitespace and the places where a window may end, from arrays of characters and offsets alone."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from clinspan.text.encoding import BLANK_LINE, INSIDE_WORD, LINE_END, NO_WORD, SENTENCE_END, SPACE, WORD_EDGE

# Where words end: at whitespace and at every punctuation mark, as BERT's own do, or at whitespace alone.
WORD_RULES = ("punctuation", "whitespace")

_LINE_BREAKS = np.array([0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028, 0x2029], dtype=np.uint32)
_SENTENCE_ENDS = np.array([ord(c) for c in ".!?。"], dtype=np.uint32)


def codes_of(text: str) -> npt.NDArray[np.uint32]:
    """The characters of a text as numbers, uint32 (characters,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def rate_cuts(
    offsets: npt.NDArray[np.int32], word_ids: npt.NDArray[np.int32], codes: npt.NDArray[np.uint32]
) -> npt.NDArray[np.int8]:
    """Rate the gap before each token as a place to end a window; the first token's rate means nothing."""
    n = len(offsets)
    cuts = np.zeros(n, dtype=np.int8)
    if n < 2:
        return cuts
    ends, starts = offsets[:-1, 1], offsets[1:, 0]
    breaks = mark_line_ends(codes)
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


def mark_line_ends(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    r"""Mark one character of each line end, bool (characters,).

    CRLF is one line end, and so are its damaged forms: `\r\r\n` of a file that was converted twice, `\n\r`, and
    a page break beside a line end (`\n\f`).
    """
    breaks: npt.NDArray[np.bool_] = np.isin(codes, _LINE_BREAKS)
    returns, feeds = codes == 0x0D, codes == 0x0C
    if not (returns.any() or feeds.any()):
        return breaks
    last = len(codes) - 1
    newline = codes == 0x0A
    # The first character at or after each one that is not a carriage return.
    ahead = np.minimum.accumulate(np.where(returns, last, np.arange(last + 1))[::-1])[::-1]
    after = newline[ahead]
    beside = np.zeros_like(after)
    beside[1:] |= newline[:-1]
    beside[:-1] |= feeds[:-1] & after[1:]
    breaks &= ~(returns & after) & ~((returns | feeds) & beside)
    return breaks


def trim(
    offsets: npt.NDArray[np.int32], codes: npt.NDArray[np.uint32], units: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Take the whitespace off tokens that carry some (byte-level BPE, sentencepiece).

    A token of whitespace alone, such as a line break, becomes empty. It moves to the end of the token before
    it, so that the gap before the next word is seen whole. But where the pre-tokenizer made one unit of a
    space and the word after it (a lone "▁" or "Ġ"), the space is the first part of that word, and stays there.

    Args:
        offsets: int32 (n, 2).
        codes: uint32, characters of the text.
        units: int32 (n,), number of the pre-tokenizer's unit that each token is part of.

    Returns:
        Offsets, int32 (n, 2), and which tokens are empty and lead a word, bool (n,).
    """
    start, end = _visible(offsets, is_blank(codes))
    empty = start == end
    leads = np.zeros(len(offsets), dtype=bool)
    leads[:-1] = empty[:-1] & ~empty[1:] & (units[1:] == units[:-1])
    lost = empty & ~leads
    start[lost] = end[lost] = np.maximum.accumulate(np.where(empty, 0, end))[lost]
    return np.stack([start, end], axis=1), leads


def _visible(
    offsets: npt.NDArray[np.int32], blank: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Start and end of each token without the whitespace at its ends, int32 (n,) each; a token of whitespace alone
    becomes empty at its end.

    One look-up per token, however much whitespace: sentencepiece makes a single token of a megabyte of rare ones.
    """
    place = np.arange(len(blank), dtype=np.int32)
    next_visible = np.minimum.accumulate(np.where(blank, place[-1], place)[::-1])[::-1]
    past_visible = np.zeros_like(place)
    past_visible[1:] = np.maximum.accumulate(np.where(blank, 0, place + 1)[:-1])
    start = np.minimum(next_visible[offsets[:, 0]], offsets[:, 1])
    return start, np.maximum(past_visible[offsets[:, 1]], start)


def is_blank(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Mark whitespace among the characters, bool (characters + 1,); the end of the text is False."""
    return np.append(_flags(codes) & _BLANK != 0, False)


def number_words(
    offsets: npt.NDArray[np.int32],
    codes: npt.NDArray[np.uint32],
    leads: npt.NDArray[np.bool_],
    *,
    by_whitespace: bool = False,
) -> npt.NDArray[np.int32]:
    """Number the words: a new one after whitespace and, unless words go by whitespace alone, at a punctuation mark and after one."""
    word_ids = np.full(len(offsets), NO_WORD, dtype=np.int32)
    part = np.flatnonzero((offsets[:, 0] < offsets[:, 1]) | leads)
    if len(part) == 0:
        return word_ids
    start, end, leads = offsets[part, 0], offsets[part, 1], leads[part]
    new = np.ones(len(part), dtype=bool)
    if by_whitespace:
        # A gap without whitespace is of characters that the normalizer drops, and stands inside a word.
        counted = np.concatenate([[0], np.cumsum(_flags(codes) & _BLANK != 0, dtype=np.int32)])
        new[1:] = (counted[np.maximum(start[1:], end[:-1])] > counted[end[:-1]]) | leads[1:]
    else:
        mark = _flags(codes) & _PUNCTUATION != 0
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


def trim_marks(note: str, start: int, end: int) -> tuple[int, int]:
    """Leave out the marks around words that end at whitespace alone: a sentence's, a list's, quotes, brackets without a partner.

    The dot of an abbreviation stays, and so does every mark inside the span.

    >>> note = "Give (aspirin) 5.5 mg, b.i.d."
    >>> [note[slice(*trim_marks(note, *span))] for span in ((5, 14), (15, 22), (23, 29))]
    ['aspirin', '5.5 mg', 'b.i.d.']
    """
    while start < end:
        first, last = note[start], note[end - 1]
        if last.isspace() or (
            last in _ENDING and not (last == "." and _ABBREVIATED.search(note, start, end))
        ):
            end -= 1
        elif (
            first.isspace()
            or first in _QUOTES
            or (first in _BRACKETS and _closing(note, start, end) in (-1, end - 1))
        ):
            start += 1
        elif last in _BRACKETS.values() and _is_unopened(note, start, end, last):
            end -= 1
        else:
            break
    return start, end


_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_QUOTES = frozenset("\"'\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb")
_ENDING = _QUOTES | frozenset(",;:.!?\u2026")
# One letter, then single letters between dots: b.i.d., p.o., U.S.
_ABBREVIATED = re.compile(r"(?<!\w)(?:[^\W\d_]\.){2,}$")


def _closing(note: str, start: int, end: int) -> int:
    """Where the bracket at the start of a stretch is closed; -1 where it is not, within the stretch."""
    opening, depth = note[start], 0
    for place in range(start, end):
        depth += (note[place] == opening) - (note[place] == _BRACKETS[opening])
        if depth == 0:
            return place
    return -1


def _is_unopened(note: str, start: int, end: int, closing: str) -> bool:
    opening = next(mark for mark, partner in _BRACKETS.items() if partner == closing)
    return note.count(opening, start, end) < note.count(closing, start, end)


def splits_words(char: str) -> bool:
    """Tell whether a character is whitespace or punctuation, at which a word ends."""
    return _flag(char) != 0


def _flag(char: str) -> int:
    if char.isspace():
        return _BLANK
    # BERT's definition (arXiv:1810.04805, reference tokenizer): every ASCII character that is neither
    # letter, digit nor blank, and the Unicode punctuation categories.
    is_ascii_mark = char.isascii() and char.isprintable() and not char.isalnum()
    return _PUNCTUATION if is_ascii_mark or unicodedata.category(char).startswith("P") else 0
