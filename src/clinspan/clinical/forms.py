"""Answers that forms give: checkboxes, "yes" and "no" in a table or after a colon, plus and minus signs."""

from __future__ import annotations

import re
from functools import cache

from clinspan.clinical.records import Cue

# How far from a span its answer may begin.
_REACH = 12

_SOURCES = {
    "empty box": r"(\[ ?\]|\( \)|☐|□|\[-\]|\(-\)|[⊖])[ \t]{0,8}$",
    "full box": r"(\[[xX✓*+]\]|\([xX✓+]\)|☑|☒|■|✓|✔|✅|⊕)[ \t]{0,8}$",
    "sign before": r"(?:^|[\s,;/(])([+\-−–])$",
    "sign after": r"[ \t]?(?:\((?P<inner>[+\-−–])\)|(?P<bare>[+\-−–]))(?=[ \t]{0,8}(?:$|[\r\n,;/|)]))",
    "answer": r"[ \t]{0,8}(?:(?:\.{2,}|[:?=|\t]|[-–—](?=[ \t]))[ \t]{0,8}){1,3}"
    r"(?P<answer>no(?: evidence| symptoms| signs|t seen|t noted|t found|ne seen|ne noted)?|none|negative|neg|absent|"
    r"denie[sd]|nil|not present|n|false|never|nope|yes|positive|pos|present|y|true|[+\-−–])"
    r"(?=[ \t]{0,8}(?:$|[\r\n.,;|/\t)(]|  ))",
    "choice": r"[ \t]{0,8}[:?|]?[ \t]{0,8}"
    r"(?:(?P<no>(?:\[ ?\]|☐|□)[ \t]{0,8}yes[ \t,/]{0,8}(?:\[[xX✓]\]|☑|☒|■)[ \t]{0,8}no)"
    r"|(?P<yes>(?:\[[xX✓]\]|☑|☒|■)[ \t]{0,8}yes))\b",
}


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """Compile a pattern when a note first needs it: most notes are not forms."""
    return re.compile(_SOURCES[name], re.IGNORECASE)


# The signs that a form's answer begins with behind a span, or ends with before it.
_OPENS = frozenset(":?=|\t-–—−+([☐☑☒□■")
_CLOSES = frozenset("])☐□⊖☑☒■✓✔✅⊕+-−–")
_MINUS = "-−–"


def form_answer(note: str, start: int, end: int) -> Cue | None:
    """Read what a form says of the span [start, end): a cue of kind `negated` or `affirmed`, None without a form."""
    before, behind = note[max(0, start - 2) : start].rstrip(" \t")[-1:], note[end : end + 2]
    if before not in _CLOSES and behind not in ("  ", "..") and behind.lstrip(" ")[:1] not in _OPENS:
        return None
    for pattern, kind in (("empty box", "negated"), ("full box", "affirmed")):
        box = _pattern(pattern).search(note, max(0, start - _REACH), start)
        if box is not None:
            return _cue(note, kind, box.span(1))
    choice = _pattern("choice").match(note, end)
    if choice is not None:
        kind = "negated" if choice["no"] else "affirmed"
        return _cue(note, kind, choice.span("no" if choice["no"] else "yes"))
    answer = _pattern("answer").match(note, end)
    if answer is not None:
        word = answer["answer"].lower()
        negated = word in _MINUS or word[0] in "nd" or word in ("absent", "false")
        return _cue(note, "negated" if negated else "affirmed", answer.span("answer"))
    return _sign(note, start, end)


def _sign(note: str, start: int, end: int) -> Cue | None:
    after = _pattern("sign after").match(note, end)
    if after is not None:
        place = after.span("inner" if after["inner"] else "bare")
        return _cue(note, "negated" if note[place[0]] in _MINUS else "affirmed", place)
    before = _pattern("sign before").search(note, max(0, start - 2), start)
    if before is None:
        return None
    sign = before.span(1)
    if note[sign[0]] == "+":
        return _cue(note, "affirmed", sign)
    # A dash at the head of a line is the mark of an item.
    line = note[max(0, sign[0] - 200) : sign[0]].rpartition("\n")[2]
    return _cue(note, "negated", sign) if line.strip() else None


def _cue(note: str, kind: str, place: tuple[int, int]) -> Cue:
    return Cue(kind, note[place[0] : place[1]], *place, "form")
