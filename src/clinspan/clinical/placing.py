"""Spans and sections of one note: checked, and put into each other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from clinspan.clinical.records import Section, SpanLike
from clinspan.errors import InputError


def checked(note: str, spans: Iterable[SpanLike]) -> list[SpanLike]:
    """Give the spans as a list.

    Raises:
        InputError: the note is not text, or a span lies outside the note.
    """
    if not isinstance(note, str):
        raise InputError(f"note is a {type(note).__name__}: expected str")
    found = list(spans)
    for number, span in enumerate(found):
        if not 0 <= span.start <= span.end <= len(note):
            raise InputError(
                f"span {number} is [{span.start}, {span.end}): expected a range inside the note's {len(note)} characters"
            )
    return found


def section_of(parts: Sequence[Section], place: int) -> Section:
    """Give the section that a character stands in."""
    return parts[max(0, bisect_right(parts, place, key=lambda part: part.start) - 1)]
