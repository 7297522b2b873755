"""One pass over a note: its cues, and where the reach of a cue ends."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import NamedTuple

from clinspan.clinical.cues.files import CueSet
from clinspan.clinical.cues.phrases import NUMBER, WORD, YEAR, Effect, PhraseTable, State

# The ends of reach, weakest first: a bracket closes, a table cell or a clause ends, a sentence, a line, a list item,
# a paragraph.
OPEN, CLOSE, CELL, CLAUSE, SENTENCE, LINE, ITEM, BLANK = range(8)

_TOKEN = re.compile(rf"({WORD})|([\r\n]\s*)|[.!;:()|\t]")
_ITEM = re.compile(r"(?:[-*•·◦‣–—+>#]|\(?\d{1,2}[.)](?!\d)|\(?[a-z][.)]|[\[(][ x]?[\])]|[☐☑☒□■])(?=\s|\w|\*)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_DIGITS = re.compile(r"^\d[\d.,]*")
_NO_SENTENCE_END = frozenset(
    re.findall(r"\S+", "dr mr mrs ms prof st vs e.g i.e approx jr sr fig inj tab tabs cap")
)

# A line counts as wrapped from this length on, if the next begins in lower case, or in upper case.
_WRAPPED, _WRAPPED_UPPER = 50, 65


class Mark(NamedTuple):
    """Something that a note says about what is near it.

    Attributes:
        start: first character.
        end: one past the last.
        effect: what a phrase does; a break has none.
        level: how strong a break is, one of OPEN to BLANK; -1 for a phrase.
        opens_list: whether the phrase ends its line with a colon, so that it speaks of the list below.
    """

    start: int
    end: int
    effect: Effect
    level: int = -1
    opens_list: bool = False


_NO_EFFECT = Effect(frozenset(), ())
# A word, None for a break; its first character and the one past its last.
_Token = tuple[str | None, int, int]


def lower(note: str) -> str:
    """Write a note in lower case and with plain apostrophes, every character in its place."""
    low = note.lower()
    if len(low) != len(note):
        low = "".join(char if len(char.lower()) != 1 else char.lower() for char in note)
    return low.replace("’", "'")


def scan(note: str, cues: CueSet, span_starts: Container[int] = ()) -> list[Mark]:
    """Find the phrases and breaks of a note, in note order; the longest phrase at a place counts.

    A phrase goes no further than a span's start if a shorter one will do: "no" negates the span "change in vision",
    though "no change in" negates nothing.

    Args:
        note: the text.
        cues: the phrases.
        span_starts: where spans begin.
    """
    low = lower(note)
    tokens: list[_Token] = [(m[1], m.start(), m.end()) for m in _TOKEN.finditer(low)]
    phrases = cues.phrases
    root = phrases.root()
    first = root.next
    marks: list[Mark] = []
    stop = 0
    # Breaks, words that begin a phrase, and numbers: most words are something else.
    for i in [i for i, (word, _, _) in enumerate(tokens) if word is None or word in first or word[0] <= "9"]:
        if i < stop:
            continue
        word, start, end = tokens[i]
        if word is None:
            level = _break(note, tokens, i)
            if level >= 0:
                marks.append(Mark(start, end, _NO_EFFECT, level))
            continue
        state = phrases.step(root, word if word[0] > "9" else _number(word))
        # Few words that can begin a phrase do: a look at the next word tells.
        if state is None or (state.effect is None and not _goes_on(state, tokens, i + 1)):
            continue
        after, found = _longest(phrases, state, note, tokens, i, span_starts)
        if found is not None:
            marks += _phrase(low, start, tokens[after - 1][2], found)
            # Words that end a reach may begin another: "she denies".
            stop = i + 1 if found.ends else after
    return marks


def _number(word: str) -> str:
    return YEAR if _YEAR.fullmatch(word) else _DIGITS.sub(NUMBER, word)


def _goes_on(state: State, tokens: Sequence[_Token], i: int) -> bool:
    if i == len(tokens):
        return False
    word = tokens[i][0]
    return word is None or word in state.next or word[0] <= "9"


def _break(note: str, tokens: Sequence[_Token], i: int) -> int:
    _, start, end = tokens[i]
    line = note.rfind("\n", max(0, start - 200), start) + 1
    word, _, stop = tokens[i - 1] if i else (None, 0, -1)
    return break_level(note, start, end, line, word or "" if stop == start else "")


def _longest(
    phrases: PhraseTable,
    state: State,
    note: str,
    tokens: Sequence[_Token],
    i: int,
    span_starts: Container[int],
) -> tuple[int, Effect | None]:
    """Give the end of the longest phrase that begins with a word, counted in words, and what it does.

    Args:
        phrases: the phrases.
        state: what the word leads to.
        note: the text.
        tokens: its words and breaks.
        i: the word.
        span_starts: where spans begin.
    """
    found, stop = state.effect, i + 1
    for j in range(i + 1, len(tokens)):
        word, start, _ = tokens[j]
        if word is None:
            if _break(note, tokens, j) >= 0:
                break
            continue
        if found is not None and start in span_starts:
            break
        following = phrases.step(state, word if word[0] > "9" else _number(word))
        if following is None:
            break
        state = following
        if state.effect is not None:
            stop, found = j + 1, state.effect
    return stop, found


def _phrase(low: str, start: int, end: int, found: Effect) -> list[Mark]:
    """Give the marks of a phrase: none for one that does nothing; a sentence ends with a question mark."""
    if low[start:end] != "?":
        if not found.ends and not found.kinds:
            return []
        tail = low[end : end + 8].lstrip(" ")
        opens_list = tail[:1] == ":" and tail[1:].strip(" \r")[:1] in ("", "\n")
        return [Mark(start, end, found, opens_list=opens_list)]
    attached = start > 0 and not low[start - 1].isspace() and low[start - 1] not in "(["
    kinds = [
        (kind, None if attached else before, after if attached else None)
        for kind, before, after in found.kinds
    ]
    mark = Mark(start, end, Effect(found.ends, tuple(kinds)))
    return [mark, Mark(start, end, _NO_EFFECT, SENTENCE)] if attached else [mark]


def break_level(note: str, start: int, end: int, line: int, word: str) -> int:
    """Say how strong a break is, -1 for none.

    Args:
        note: the text.
        start: first character of the sign or line end.
        end: one past the last, with the whitespace after a line end.
        line: first character of the line that it stands in.
        word: the word directly before it, without a space, in lower case.
    """
    sign = note[start]
    if sign in "\r\n":
        return _line_end(note, start, end, line)
    if sign in ".!":
        if end < len(note) and not note[end].isspace() and note[end] not in "\"')]*":
            return -1
        # "1." at the head of a line is the number of an item.
        numbers_item = word.isdigit() and start - line < 8 and not note[line:start].strip(" \t0123456789(")
        return -1 if word in _NO_SENTENCE_END or numbers_item else SENTENCE
    return {"(": OPEN, ")": CLOSE, "|": CELL, "\t": CELL, ";": CLAUSE}.get(sign, -1)


def _line_end(note: str, start: int, end: int, line: int) -> int:
    gap = note[start:end]
    if gap.count("\n") + gap.replace("\r\n", "").count("\r") > 1:
        return BLANK
    if end == len(note) or _ITEM.match(note, end):
        return ITEM
    last = note[start - 1 : start]
    if last in ",&":
        return -1
    # A long line was wrapped by the writer's program, and the next belongs to it.
    wrapped = _WRAPPED_UPPER if note[end].isupper() else _WRAPPED
    return LINE if last in ".:;!?|" or start - line < wrapped else -1
