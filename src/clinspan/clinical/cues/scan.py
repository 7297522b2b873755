"""One pass over a note: its cues, and where the reach of a cue ends."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from clinspan.clinical.cues.files import CueSet
from clinspan.clinical.cues.phrases import NUMBER, WORD, Meaning, PhraseTable, State

# The ends of reach, weakest first: a bracket closes, a table cell or a clause ends, a sentence, a line, a list item,
# a paragraph.
OPEN, CLOSE, CELL, CLAUSE, SENTENCE, LINE, ITEM, BLANK = range(8)

_TOKEN = re.compile(rf"({WORD})|([\r\n]\s*)|[.!;:()|\t]")
_ITEM = re.compile(r"(?:[-*•·◦‣–—+>#]|\(?\d{1,2}[.)](?!\d)|\(?[a-z][.)]|[\[(][ x]?[\])]|[☐☑☒□■])(?=\s|\w|\*)")
_DIGITS = re.compile(r"^\d[\d.,]*")
_NO_SENTENCE_END = frozenset(
    (
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "st",
        "vs",
        "e.g",
        "i.e",
        "approx",
        "jr",
        "sr",
        "fig",
        "inj",
        "tab",
        "tabs",
        "cap",
    )
)

# A line counts as wrapped from this length on, if the next begins in lower case, or in upper case.
_WRAPPED, _WRAPPED_UPPER = 50, 65


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that a note says about what is near it.

    Attributes:
        start: first character.
        end: one past the last.
        meanings: what a phrase does, empty for a break.
        level: how strong a break is, one of OPEN to BLANK; -1 for a phrase.
        opens_list: whether the phrase ends its line with a colon, so that it speaks of the list below.
    """

    start: int
    end: int
    meanings: tuple[Meaning, ...]
    level: int = -1
    opens_list: bool = False


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
    keys: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    line = 0
    for match in _TOKEN.finditer(low):
        start, end = match.span()
        key = match.group(1)
        if key is None:
            level = break_level(note, start, end, line, keys[-1] if keys and ends[-1] == start else "")
            if match.group(2) is not None:
                line = end
            if level < 0:
                continue
            key = f"\n{level}"
        elif key[0].isdigit():
            key = _DIGITS.sub(NUMBER, key)
        keys.append(key)
        starts.append(start)
        ends.append(end)
    walls = [start in span_starts for start in starts]
    return _marks(low, cues.phrases, keys, starts, ends, walls)


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
        numbers_item = (
            word.startswith(NUMBER) and start - line < 8 and not note[line:start].strip(" \t0123456789(")
        )
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


def _marks(
    low: str, phrases: PhraseTable, keys: list[str], starts: list[int], ends: list[int], walls: list[bool]
) -> list[Mark]:
    marks: list[Mark] = []
    root = phrases.root()
    i, n = 0, len(keys)
    while i < n:
        key = keys[i]
        if key not in root.next:
            if key[0] == "\n":
                marks.append(Mark(starts[i], ends[i], (), int(key[1])))
            i += 1
            continue
        stop, meanings = _longest(phrases, keys, walls, i)
        if meanings:
            marks.append(_phrase(low, starts[i], ends[stop - 1], meanings))
        if key == "?" and i and ends[i - 1] == starts[i]:
            marks.append(Mark(starts[i], ends[i], (), SENTENCE))
        # Words that end a reach may begin another: "she denies".
        i = i + 1 if meanings and meanings[-1].where == "end" else stop
    return marks


def _longest(
    phrases: PhraseTable, keys: list[str], walls: list[bool], i: int
) -> tuple[int, tuple[Meaning, ...]]:
    """Give the end of the longest phrase that begins at a word, counted in words, and what it does."""
    state: State | None = phrases.root()
    stop = i + 1
    meanings: tuple[Meaning, ...] | None = None
    for j in range(i, len(keys)):
        if walls[j] and meanings is not None:
            break
        state = phrases.step(state, keys[j]) if state is not None else None
        if state is None:
            break
        if state.meanings is not None:
            stop, meanings = j + 1, state.meanings
    return stop, meanings or ()


def _phrase(low: str, start: int, end: int, meanings: tuple[Meaning, ...]) -> Mark:
    if low[start:end] == "?":
        attached = start > 0 and not low[start - 1].isspace() and low[start - 1] not in "(["
        meanings = tuple(m for m in meanings if (m.where == "after") == attached)
    tail = low[end : end + 8].lstrip(" ")
    return Mark(start, end, meanings, opens_list=tail[:1] == ":" and tail[1:].strip(" \r")[:1] in ("", "\n"))
