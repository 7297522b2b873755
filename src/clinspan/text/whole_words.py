"""Spans whose edges follow the words of medication text: no number, dotted or hyphened word is cut, no schedule is in pieces.

For models whose tokenizer splits at every point and hyphen, so that "p.r.n." or "0.5" is several words to them. The rules about
units and schedules look at labels named DOSAGE, DURATION, FREQUENCY and STRENGTH and leave all others alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from clinspan.text.decode import Span, whole_characters
from clinspan.text.graphemes import Clusters

# In one span or in none: 0.5 and 1,000; t.i.d and U.S.; X-ray and 10-day. What is said of a name stays outside: "aspirin-induced".
_SAID = (
    "induced|related|associated|dependent|treated|mediated|resistant|refractory|responsive|naive|free|based|containing|like|"
    "positive|negative|sensitive|exposed|sparing|eluting|coated"
)
_WHOLE = re.compile(
    r"\d+(?:[.,]\d+)+|(?<![^\W\d_])(?:[^\W\d_]\.){2,}[^\W\d_]?"
    rf"|[^\W_]+(?:-(?!(?:{_SAID})(?![^\W_]))[^\W_]+)+"
)
# Characters on either side of an edge among which its word is looked for; longer ones are left as they are.
_REACH = 40
_ABBREVIATION = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.)+[^\W\d_]$")
_BETWEEN_PIECES = re.compile(r"[ \t]*(?:\(|,|and\b|&)?[ \t]*")
_NUMBER = re.compile(
    r"(?<![^\W_])(?:\d+(?:[.,/-]\d+)*|one|two|three|four|five|six|half|half a)[ \t]*$", re.IGNORECASE
)
_UNIT = re.compile(
    r"(?:mg|mcg|µg|μg|g|kg|ml|cc|l|units?|u|iu|meq|mmol|puffs?|drops?|sprays?|tsp|tbsp|teaspoons?|tablespoons?|%|gtts?|times"
    r"|x|days?|weeks?|months?|hours?|hrs?)(?![^\W_])",
    re.IGNORECASE,
)
_MEASURED = ("DOSAGE", "DURATION", "FREQUENCY", "STRENGTH")


def whole_words(note: str, spans: Sequence[Span]) -> list[Span]:
    """Move the edges of spans to those of words and join the pieces of a schedule.

    A number with its point, a dotted abbreviation and a hyphened word are whole in the span that holds half of their characters
    or more, or the first part of a hyphened word, and else in none; a dotted abbreviation takes its last dot; a unit takes
    the number before it; pieces of FREQUENCY with nothing but spaces, a comma, "and" or a bracket between them are one; a
    span without a letter or digit is left out.

    Args:
        note: the text.
        spans: in note order, without overlap; so are the spans that come back. A joined span has the mean score of its
            pieces by their length; no other score changes.
    """
    moved: list[Span] = []
    clusters = Clusters(note)
    for number, span in enumerate(spans):
        floor = moved[-1].end if moved else 0
        ceiling = spans[number + 1].start if number + 1 < len(spans) else len(note)
        start, end = _edges(note, span, floor, ceiling)
        if (start, end) != (span.start, span.end):
            start, end = whole_characters(note, clusters, start, end, floor)
        if start < end and any(map(str.isalnum, note[start:end])):
            moved.append(replace(span, start=start, end=end, text=note[start:end]))
    return _joined(note, moved)


def _edges(note: str, span: Span, floor: int, ceiling: int) -> tuple[int, int]:
    """Where a span begins and ends, at `floor` at the earliest and about `ceiling`, where the next span begins, at the latest."""
    start, end = max(span.start, floor), span.end
    left, right = _whole_at(note, start), _whole_at(note, end)
    if left:
        start = left[0] if _holds(note, left, start, end) and left[0] >= floor else left[1]
    if right and start < end:
        keeps = _holds(note, right, start, end)
        end = right[1] if keeps else max(start, right[0])
        if keeps and end > ceiling:
            end = max(span.end, ceiling)
    if end < ceiling and note[end : end + 1] == "." and _ABBREVIATION.search(note, start, end):
        end += 1
    if span.label in _MEASURED:
        if _UNIT.match(note, start) and (number := _NUMBER.search(note, max(floor, start - _REACH), start)):
            start = number.start()
        elif end < ceiling and note[start:end].replace(".", "").replace(",", "").isdigit():
            unit = _UNIT.match(note, end + (note[end : end + 1] == " "))
            end = unit.end() if unit and unit.end() <= ceiling else end
    return start, end


def _whole_at(note: str, edge: int) -> tuple[int, int] | None:
    """The word that must not be cut and that an edge cuts, or None."""
    if not 0 < edge < len(note) or note[edge - 1].isspace() or note[edge].isspace():
        return None
    for match in _WHOLE.finditer(note, max(0, edge - _REACH), edge + _REACH):
        if match.start() < edge < match.end():
            return match.span()
        if match.start() >= edge:
            break
    return None


def _holds(note: str, word: tuple[int, int], start: int, end: int) -> bool:
    """Say whether half of a word or more, or the first part of a hyphened one, lies from `start` to `end`."""
    first, last = word
    hyphen = note.find("-", first, last)
    if start <= first <= hyphen <= end:
        return True
    return 2 * (min(end, last) - max(start, first)) >= last - first


def _joined(note: str, spans: Sequence[Span]) -> list[Span]:
    """Spans with the pieces of each schedule joined."""
    found: list[Span] = []
    for number, span in enumerate(spans):
        last = found[-1] if found else None
        if (
            last is None
            or not (span.label == last.label == "FREQUENCY")
            or not _BETWEEN_PIECES.fullmatch(note, last.end, span.start)
        ):
            found.append(span)
            continue
        taken = number + 1 < len(spans) and spans[number + 1].start == span.end
        closes = note[span.end : span.end + 1] == ")" and "(" in note[last.end : span.start]
        end = span.end + (closes and not taken)
        first, second = last.end - last.start, span.end - span.start
        score = (last.score * first + span.score * second) / (first + second)
        found[-1] = Span(span.label, last.start, end, note[last.start : end], score)
    return found
