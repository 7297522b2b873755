"""The sections of a note: where its headings are and what kind each is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from clinspan.clinical.cues.files import CueSet, Title, bundled_cues, title_key
from clinspan.clinical.records import Section

# The most characters of a title, and the most words of one that is recognised only by its form.
_LONGEST = 80
_MOST_WORDS = 6
# Spaces in the longest title, with its mark, number and indentation.
_LONGEST_TITLE_BLANKS = 16

_LINE = re.compile(r"[^\r\n]+")
# What may stand before a title on its line: Markdown, a rule, a bracket, a LOINC code as in HL7, a number.
_LEAD = re.compile(
    r"[ \t]*(?P<marks>#{1,6}|={2,4}|\*{1,2}|__|<|\[)?[ \t]*(?:\d{4,5}-\d\^)?"
    r"(?:\(?(?:\d{1,2}|[IVX]{1,4}|[A-Z])[.)][ \t]+)?(?:\*\*)?"
)
_TAIL = " \t*_#=-:>]."
_QUALIFIER = re.compile(
    r" ?\([^()]{0,40}\)$| (?:on|at|upon) (?:admission|discharge|arrival)$| (?:today|reviewed)$", re.IGNORECASE
)
_DASHED = re.compile(r"([A-Z][A-Z /&]{2,40}?) ?[-–—] ")
# What can be a title inside a line: words in capitals, or whatever follows the end of a sentence.
_CAPITALS = re.compile(r"(?:^|(?<=[\s.;]))[A-Z][A-Z/&,() '-]*$")
_AFTER_SENTENCE = re.compile(r"(?:[.;!?]\s+|\s{2,})(?=[A-Z])([^.;!?]*)$")


class _Heading(NamedTuple):
    """A heading: its kind, first character with marks and number, its title, and where its section's text begins."""

    kind: str
    start: int
    title: int
    stop: int
    body: int


def sections(note: str, *, cues: CueSet | None = None) -> list[Section]:
    r"""Cut a note at its headings.

    Args:
        note: the text.
        cues: what `load_cues` gave, for titles of your own; the bundled ones by default.

    Returns:
        Sections in note order that partition [0, len(note)); one of kind `none` where there is no heading.

    >>> [(section.kind, section.title) for section in sections("PMH: asthma\nPlan: spirometry")]
    [('past_history', 'PMH'), ('plan', 'Plan')]
    """
    found = list(_headings(note, bundled_cues() if cues is None else cues))
    if not found or found[0].start > 0:
        found.insert(0, _Heading("none", 0, 0, 0, 0))
    ends = [heading.start for heading in found[1:]] + [len(note)]
    return [
        Section(heading.kind, note[heading.title : heading.stop], heading.start, heading.body, end)
        for heading, end in zip(found, ends, strict=True)
    ]


def _headings(note: str, cues: CueSet) -> Iterator[_Heading]:
    previous = 0
    for line in _LINE.finditer(note):
        start, end = line.span()
        after_blank = start == 0 or note.count("\n", previous, start) > 1
        if end - start > _LONGEST and note.find(":", start, end) < 0:
            previous = end
            continue
        if note[start:end].isspace():
            continue
        previous = end
        first = _line_heading(note, start, end, cues, after_blank)
        if first is not None:
            yield first
        yield from _inner_headings(note, first.body if first else start, end, cues)


def _line_heading(note: str, start: int, end: int, cues: CueSet, after_blank: bool) -> _Heading | None:
    """Find the heading that a line begins with."""
    colon = note.find(":", start, min(end, start + _LONGEST))
    # Most lines are sentences: too many words for a title.
    if note.count(" ", start, end if colon < 0 else colon) > _LONGEST_TITLE_BLANKS:
        return None
    lead = _LEAD.match(note, start, end)
    assert lead is not None  # every part of the pattern may be empty
    begin = lead.end()
    colon = note.find(":", begin, min(end, begin + _LONGEST))
    if colon < 0 and end - begin > _LONGEST:
        return None
    stop = end if colon < 0 else colon
    title = note[begin:stop].rstrip(_TAIL)
    begin += len(title) - len(title := title.lstrip(" \t;,.-"))
    alone = not note[stop:end].strip(_TAIL)
    known = _known(title, cues)
    if known is None and colon < 0 and (dashed := _DASHED.match(note, begin, end)):
        title, stop, alone = dashed.group(1), dashed.end(), False
        known = _known(title, cues)
    if known is not None and known.kind == "part":
        return None
    body = stop + 1 if colon >= 0 and stop == colon else stop
    while body < end and note[body] in "*_#=":
        body += 1
    if known is not None:
        named = colon >= 0 or bool(lead["marks"]) or title[:1].isupper()
        return _Heading(known.kind, start, begin, begin + len(title), body) if named else None
    if (
        alone
        and not (colon < 0 and note[begin:end].rstrip().endswith("."))
        and _looks_like_title(title, bool(lead["marks"]), colon >= 0 and after_blank, after_blank, cues)
    ):
        return _Heading("other", start, begin, begin + len(title), body)
    return None


def _looks_like_title(title: str, marked: bool, colon: bool, after_blank: bool, cues: CueSet) -> bool:
    words = title.split()
    if not 0 < len(words) <= _MOST_WORDS or not title[0].isupper() or _is_phrase(words, cues):
        return False
    if marked or colon:
        return True
    # A line in capitals is a title unless it says something: "NO ACUTE DISTRESS".
    says = words[0].lower() in cues.phrases.root().next
    return after_blank and len(words) > 1 and title.isupper() and not says


def _is_phrase(words: list[str], cues: CueSet) -> bool:
    """Whether a line is a cue and no title: "Denies:" over a list."""
    state = cues.phrases.root()
    for word in words:
        following = cues.phrases.step(state, word.lower())
        if following is None:
            return False
        state = following
    return state.effect is not None


def _inner_headings(note: str, start: int, end: int, cues: CueSet) -> Iterator[_Heading]:
    """Find headings inside a line: a known title and its colon, in capitals or after the end of a sentence."""
    colon = note.find(":", start, end)
    while colon >= 0:
        begin = max(start, colon - _LONGEST)
        before = note[begin:colon]
        for pattern in (_CAPITALS, _AFTER_SENTENCE):
            match = pattern.search(before)
            if match is None:
                continue
            place = match.start(match.lastindex or 0)
            place, known = (
                _longest_known(before, place, cues)
                if pattern is _CAPITALS
                else (
                    place,
                    _known(before[place:], cues),
                )
            )
            if known is not None and known.kind != "part" and begin + place > start:
                yield _Heading(known.kind, begin + place, begin + place, colon, colon + 1)
                break
        start, colon = colon + 1, note.find(":", colon + 1, end)


def _longest_known(before: str, place: int, cues: CueSet) -> tuple[int, Title | None]:
    """Drop words in capitals from the left until a title is left."""
    while 0 <= place < len(before):
        known = _known(before[place:], cues)
        if known is not None:
            return place, known
        place = before.find(" ", place) + 1 or len(before)
    return place, None


def _known(title: str, cues: CueSet) -> Title | None:
    if not 0 < len(title) <= _LONGEST:
        return None
    known = cues.titles.get(title_key(title))
    if known is None and " " in title and (shorter := _QUALIFIER.sub("", title)) != title:
        known = cues.titles.get(title_key(shorter))
    return known
