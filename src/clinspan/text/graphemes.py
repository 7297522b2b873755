"""Where a character that is written in several code points begins and ends: Unicode's grapheme clusters.

The rules are those of Unicode Standard Annex #29, https://unicode.org/reports/tr29/ (GB6 to GB13), without its tables:
where Python's own character database cannot tell a class apart, the wider one is taken. So a cluster found here is one of
Unicode's, or several that stand together, and never a part of one.
"""

from __future__ import annotations

import unicodedata

# Below it stand no marks, joiners, jamo, flags or emoji that combine: two such characters always part.
_FIRST = "\u0300"

_ZWNJ, _ZWJ = "\u200c", "\u200d"
# Extend and SpacingMark besides the marks (categories Mn, Me, Mc): joiners, Thai and Lao sara am, halfwidth sound marks.
_EXTENDING = {_ZWNJ, _ZWJ, "\u0e33", "\u0eb3", "\uff9e", "\uff9f"}
# Prepend: a sign that stands before what it belongs to.
_PREPENDED = {
    *map(chr, range(0x600, 0x606)), "\u06dd", "\u070f", "\u0890", "\u0891", "\u08e2", "\u0d4e", "\U000110bd", "\U000110cd",
    "\U000111c2", "\U000111c3", "\U000113d1", "\U0001193f", "\U00011941", "\U00011a3a",
    *map(chr, range(0x11A84, 0x11A8A)), "\U00011d46", "\U00011f02",
}  # fmt: skip
# Canonical combining class of the signs that join two consonants of an Indic script into one (InCB=Linker).
_VIRAMA = 9


class Clusters:
    """The grapheme clusters of a text, asked for place by place."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._flags = (0, 0)  # the run of regional indicators that was looked at last
        # What was walked through last, forward and back: many spans may stand in one long run of marks.
        self._ahead = self._behind = (0, 0)

    def start(self, place: int, least: int = 0) -> int:
        """The last edge of a cluster at or before a place, but none before `least`."""
        low, high = self._behind
        at = place
        while at > least and not self.is_edge(at):
            at = max(low, least) if low < at <= high else at - 1
        if at < place:
            self._behind = at, place
        return at

    def end(self, place: int) -> int:
        """The first edge of a cluster at or after a place."""
        low, high = self._ahead
        at = place
        while 0 < at < len(self._text) and not self.is_edge(at):
            at = high if low <= at < high else at + 1
        if at > place:
            self._ahead = place, at
        return at

    def _follows_virama(self, place: int) -> bool:
        """Whether the marks before a place hold a sign that joins the consonants around it (GB9c)."""
        while place > 0 and _extends(self._text[place - 1]):
            place -= 1
            if unicodedata.combining(self._text[place]) == _VIRAMA:
                return True
        return False

    def is_edge(self, place: int) -> bool:
        """Whether a cluster ends, and the next one begins, at a place."""
        if not 0 < place < len(self._text):
            return True
        before, after = self._text[place - 1], self._text[place]
        if before < _FIRST and after < _FIRST:
            return True
        if is_control(before) or is_control(after):
            return True
        if _extends(after) or before in _PREPENDED:
            return False
        if _is_flag_half(before) and _is_flag_half(after):
            return (place - self._run_start(place)) % 2 == 0
        if _extends(before) and _is_letter(after):
            return not self._follows_virama(place)
        return not ((before == _ZWJ and _is_pictograph(after)) or _is_syllable(before, after))

    def _run_start(self, place: int) -> int:
        start, end = self._flags
        if not start < place <= end:
            start = end = place
            while start > 0 and _is_flag_half(self._text[start - 1]):
                start -= 1
            while end < len(self._text) and _is_flag_half(self._text[end]):
                end += 1
            self._flags = start, end
        return start


def is_control(char: str) -> bool:
    """Whether a character shows nothing and belongs to no other: controls, and formats such as a byte order mark."""
    if " " <= char < "\x7f":
        return False
    category = unicodedata.category(char)
    if category in ("Cc", "Zl", "Zp", "Cs"):
        return True
    return category == "Cf" and not (char in _EXTENDING or char in _PREPENDED or _is_tag(char))


def is_visible(text: str) -> bool:
    """Whether a text shows anything."""
    return any(char.isprintable() and not char.isspace() for char in text)


def _extends(char: str) -> bool:
    if char < _FIRST:
        return False
    is_skin_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
    # What this Python's database does not know yet may be a mark of a newer Unicode.
    return (
        char in _EXTENDING
        or is_skin_tone
        or _is_tag(char)
        or unicodedata.category(char)[0] == "M"
        or _is_new(char)
    )


def _is_new(char: str) -> bool:
    return unicodedata.category(char) == "Cn"


def _is_tag(char: str) -> bool:
    return "\U000e0020" <= char <= "\U000e007f"


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_pictograph(char: str) -> bool:
    return unicodedata.category(char) in ("So", "Sm", "Po", "Pd", "Cn")


def _is_letter(char: str) -> bool:
    return unicodedata.category(char) == "Lo"


def _is_syllable(before: str, after: str) -> bool:
    """Whether two characters are parts of one Hangul syllable."""
    first, second = _jamo(before), _jamo(after)
    return (
        (first == "L" and second in ("L", "V", "LV", "LVT"))
        or (first in ("V", "LV") and second in ("V", "T"))
        or (first in ("T", "LVT") and second == "T")
    )


def _jamo(char: str) -> str:
    if "\u1100" <= char <= "\u115f" or "\ua960" <= char <= "\ua97c":
        return "L"
    if "\u1160" <= char <= "\u11a7" or "\ud7b0" <= char <= "\ud7c6":
        return "V"
    if "\u11a8" <= char <= "\u11ff" or "\ud7cb" <= char <= "\ud7fb":
        return "T"
    if "\uac00" <= char <= "\ud7a3":
        return "LV" if (ord(char) - 0xAC00) % 28 == 0 else "LVT"
    return ""
