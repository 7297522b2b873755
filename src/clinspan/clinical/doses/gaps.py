"""The text between two neighboring spans of a regimen: how far it holds them apart, and whether it joins them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from clinspan.clinical.cues.scan import BLANK, ITEM, LINE, SENTENCE, break_level
from clinspan.clinical.placing import section_of
from clinspan.clinical.records import Section, SpanLike

# Text longer than this holds two spans apart, whatever it says; only its ends are read.
_FAR = 300

# How far a closing bracket holds what stands on its sides apart.
CLOSING = 8

_STOP = re.compile(r"[\r\n]\s*|[.!?](?=\s|$)")
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_LAST_WORD = re.compile(r"[^\W_]+(?:\.[^\W_]+)*$")
# Words that belong to a regimen and hold nothing apart.
_FILLERS = frozenset(
    re.findall(
        r"\w+",
        "a an the of for x by at in on per to via as with up total dose doses dosage daily oral sig take "
        "taken given po iv mg her his their this was is be were are been being tablet capsule bolus load "
        "loading therapy treatment infusion route form over during infused used received administered "
        "administration equivalent approximately about ",
    )
)
_JOINING = re.compile(
    r"[\s,/+&()-]*(?:and/or|and|or|plus|combined with|in combination with|together with|as well as|followed by|"
    r"along with|/|\+|&|,|-)?[\s,/+&()-]*",
    re.IGNORECASE,
)


class Gap(NamedTuple):
    """The text between two spans.

    Attributes:
        text: the text, its ends only where it is long.
        level: the strongest break in it, SENTENCE, LINE, ITEM or BLANK, -1 for none; BLANK too where a section begins
            or the text is long.
        strength: how far it holds its neighbours apart; 0 for whitespace.
        joins: whether it does nothing but join them: "and", a comma, a slash.
    """

    text: str
    level: int
    strength: float
    joins: bool


def gap_between(note: str, one: SpanLike, other: SpanLike, parts: Sequence[Section]) -> Gap:
    """Read what stands between two spans; spans that overlap have an empty gap."""
    start, stop = one.end, max(one.end, other.start)
    if stop - start > _FAR:
        return Gap(note[start : start + 40] + "\n" + note[stop - 40 : stop], BLANK, 20, False)
    text = note[start:stop]
    level = (
        BLANK
        if section_of(parts, one.start) is not section_of(parts, other.start)
        else _level(note, start, stop)
    )
    return Gap(text, level, _strength(text, level), level < 0 and _JOINING.fullmatch(text) is not None)


def _level(note: str, start: int, stop: int) -> int:
    level = -1
    for match in _STOP.finditer(note, start, stop):
        line = note.rfind("\n", max(0, match.start() - 200), match.start()) + 1
        word = _LAST_WORD.search(note, max(line, match.start() - 12), match.start())
        found = break_level(note, match.start(), match.end(), line, word[0].lower() if word else "")
        if note[match.start()] == "?":
            found = SENTENCE
        level = max(level, found if found in (SENTENCE, LINE, ITEM, BLANK) else -1)
    return level


def _strength(text: str, level: int) -> float:
    words = [word.lower() for word in _WORD.findall(text)]
    strength = 0.0
    for word in words:
        if word in ("and", "or", "plus"):
            strength += 3
        elif word in ("then", "followed", "but", "while"):
            strength += 4
        elif word not in _FILLERS:
            strength += 1
    strength += 2 * text.count(",") + 3 * text.count("+") + 6 * text.count(";")
    # What stands in a bracket belongs to the word before the bracket.
    closes = ")" in text.partition("(")[0]
    return strength + (8 if level >= 0 else 0) + (CLOSING if closes else 0)
