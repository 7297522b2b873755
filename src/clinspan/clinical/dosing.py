"""How often and how long, from words to numbers; text that no rule reads is kept as it is."""

from __future__ import annotations

import math
import re
from typing import Any

from clinspan.clinical.doses.schedule_rules import BLOCKS, DAY_EVENTS, FILLER, rules
from clinspan.clinical.records import Timing

# A longer text is not a schedule.
_LONGEST = 200

# HL7's codes (GTSAbbreviation), by the number of times, the period and its unit.
_CODES = {
    (2, 1, "d"): "BID",
    (3, 1, "d"): "TID",
    (4, 1, "d"): "QID",
    (1, 1, "d"): "QD",
    (1, 2, "d"): "QOD",
    (1, 1, "wk"): "WK",
    (1, 1, "mo"): "MO",
    **{(1, hours, "h"): f"Q{hours}H" for hours in (1, 2, 3, 4, 6, 8)},
}
_EVENT_CODES = {("MORN",): "AM", ("AFT",): "PM", ("HS",): "BED"}
_POINT = re.compile(r"(?:(?<=\b[a-z])|(?<=\.[a-z]))\.(?=[a-z0-9]|[\s,;)]|$)")
_WORD = re.compile(r"\S+?(?=[\s,;()]|$)")
_REASON = re.compile(r"\s*(?:for\s+)?(?:the\s+)?([a-z][a-z'/ -]{2,60}?)\s*(?=$|[,;.])")


def timing(text: str) -> Timing:
    """Read the text of a frequency or a duration.

    Args:
        text: such as "twice daily with meals", "q6-8h prn pain" or "for 10 days".

    Returns:
        Its structure. A text with a part that no rule reads gives that part in `unparsed`; one that reads two ways
        gives nothing but `unparsed`.

    >>> found = timing("every 6 to 8 hours as needed for pain")
    >>> found.period, found.period_max, found.period_unit, found.as_needed, found.reason
    (6, 8, 'h', True, 'pain')
    """
    nothing = Timing(text, unparsed=text)
    if len(text) > _LONGEST:
        return nothing
    fields: dict[str, Any] = {}
    rest: list[str] = []
    low, places = _plain(text)
    at = 0
    while at < len(low):
        filler = FILLER.match(low, at)
        if filler is not None:
            at = filler.end()
            continue
        at = _read(low, at, fields, rest, text, places)
        if at < 0:
            return nothing
    if not fields or any(BLOCKS.fullmatch(word.lower().strip(".:")) for word in rest):
        return nothing
    return _finish(text, fields, " ".join(rest)) or nothing


def _plain(text: str) -> tuple[str, list[int]]:
    """Write a text in lower case and its abbreviations without points, with the place that each character is from."""
    low = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
    points = {match.start() for match in _POINT.finditer(low)}
    places = [i for i in range(len(low)) if i not in points]
    return "".join(low[i] for i in places), places


def _read(low: str, at: int, fields: dict[str, Any], rest: list[str], text: str, places: list[int]) -> int:
    """Read what stands at a place with the first rule that fits, and give the place behind it; -1 for a contradiction."""
    for pattern, read in rules():
        match = pattern.match(low, at)
        if match is None:
            continue
        found = read(match)
        if found is None or not _merge(fields, found):
            return -1
        at = match.end()
        return _reason(low, at, fields) if found.get("as_needed") else at
    word = _WORD.match(low, at)
    stop = word.end() if word else at + 1
    rest.append(text[places[at] : places[stop - 1] + 1])
    return stop


def _reason(low: str, at: int, fields: dict[str, Any]) -> int:
    """Read what "as needed" is for, unless a rule reads it as something else."""
    match = _REASON.match(low, at)
    if match is None:
        return at
    start = at + len(low[at:]) - len(low[at:].lstrip())
    words = match[1].split()
    if any(pattern.match(low, place) for pattern, _ in rules() for place in (start, match.start(1))):
        return at
    if any(BLOCKS.fullmatch(word) for word in words if word != "or"):
        return at
    fields["reason"] = match[1]
    return match.end()


def _merge(fields: dict[str, Any], found: dict[str, Any]) -> bool:
    """Take in what a rule found; False where it contradicts what is there."""
    for name, value in found.items():
        if isinstance(value, tuple):
            held = fields.get(name, ())
            fields[name] = (*held, *(each for each in value if each not in held))
        elif fields.setdefault(name, value) != value:
            return False
    return True


def _finish(text: str, fields: dict[str, Any], rest: str) -> Timing | None:
    """Fill in what follows from what was read: how often a list of hours or events is, and HL7's code."""
    when = fields.get("when", ())
    single = [event for event in when if event in DAY_EVENTS]
    count = len(single) + len(fields.get("at", ()))
    stated = "period" in fields or "times_max" in fields
    if count and len(single) == len(when):
        if not stated:
            fields.update(times=count, period=1, period_unit="d")
        elif count != fields.get("times", count) and fields.get("period_unit") == "d":
            return None
    code = _EVENT_CODES.get(when) if count == 1 and fields.get("times") == 1 else None
    ranged = "times_max" in fields or "period_max" in fields
    if code is None and stated and not ranged:
        code = _CODES.get((fields.get("times", 0), fields["period"], fields["period_unit"]))
    fields.setdefault("code", code)
    for name in ("times", "period", "duration"):
        if fields.get(f"{name}_max", math.inf) <= fields.get(name, 0):
            return None
    return Timing(text, unparsed=rest, **fields)
