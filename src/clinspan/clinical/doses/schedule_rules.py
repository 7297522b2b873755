"""The rules that read schedules: a pattern each, and what it means; the first that fits counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

Fields = dict[str, Any]
Match = re.Match[str]

_NUMBERS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
} | {
    "fourteen": 14,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "twenty-four": 24,
    "forty-eight": 48,
    "a": 1,
    "an": 1,
}
_ORDINALS = {"other": 2, "second": 2, "alternate": 2, "third": 3, "fourth": 4}
_UNITS = {"h": "h", "d": "d", "w": "wk", "m": "mo", "y": "a"}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MEALS = {"breakfast": "M", "lunch": "D", "dinner": "V", "supper": "V"}
_MEAL_SIDES = {"before": "AC", "after": "PC", "with": "C", "at": "C", "during": "C"}

_N = (
    r"(?:\d{1,3}|" + "|".join(word for word in sorted(_NUMBERS, key=len, reverse=True) if len(word) > 2) + ")"
)
_RANGE = rf"(?P<low>{_N})(?:\s*(?:-|–|to)\s*(?P<high>{_N}))?"
_UNIT = r"(?P<unit>min(?:ute)?s?|h(?:ou)?rs?|h|days?|d|w(?:ee)?ks?|w|months?|mos?|y(?:ea)?rs?)\b"
_PERIOD = r"(?P<unit>day|daily|d|week|weekly|wk|month|monthly|mo|year|yearly|hour|hr|h)\b"

# Events of the day that happen once in it.
DAY_EVENTS = frozenset("MORN NOON AFT EVE NIGHT WAKE HS ACM ACD ACV PCM PCD PCV CM CD CV".split())  # noqa: SIM905

# Words that say nothing of the schedule.
FILLER = re.compile(r"[\s,;&.()]+|(?:and|the|to be taken|to be given|take|taken|given|then daily)\b(?=[\s,])")

# Words that make a guess of everything around them.
BLOCKS = re.compile(
    r".*\d.*|every|each|q|per|or|not|no|except|until|unless|if|then|when|while|after|before|with|within|over|during|"
    r"half|few|several|couple|once|twice|thrice|times?|x|days?|weeks?|months?|years?|hours?|hourly|minutes?|"
    r"shift|max|maximum|min|minimum|start|starting|stop|hold|skip|increase|decrease|taper|first|last|"
    r"biweekly|bimonthly|semiweekly|" + "|".join(word for word in _NUMBERS if len(word) > 2)
)


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS[word]


def _unit(word: str) -> str:
    return "min" if word.startswith("min") else _UNITS[word[0]]


def _bounds(match: Match, name: str) -> Fields | None:
    """Read a number or a range; None for nought."""
    low, high = _number(match["low"]), match["high"]
    if low < 1:
        return None
    return {name: low, **({f"{name}_max": _number(high)} if high else {})}


def _times(match: Match) -> Fields | None:
    found = _bounds(match, "times")
    if found is None:
        return None
    if match["upto"]:
        found = {"times_max": found["times"]}
    return {**found, "period": 1, "period_unit": _unit(match["unit"])}


def _adverb_times(match: Match) -> Fields:
    times = {"once": 1, "twice": 2, "thrice": 3}[match["times"]]
    return {"times": times, "period": 1, "period_unit": _unit(match["unit"])}


def _every(match: Match) -> Fields | None:
    if match["ordinal"]:
        return {"times": 1, "period": _ORDINALS[match["ordinal"]], "period_unit": _unit(match["unit"])}
    if not match["low"]:
        # "Every hours" has lost its number.
        return (
            None
            if match["unit"].endswith("s")
            else {"times": 1, "period": 1, "period_unit": _unit(match["unit"])}
        )
    found = _bounds(match, "period")
    return None if found is None else {"times": 1, **found, "period_unit": _unit(match["unit"])}


def _hourly(match: Match) -> Fields | None:
    found = _bounds(match, "period")
    return None if found is None else {"times": 1, **found, "period_unit": "h"}


def _duration(match: Match) -> Fields | None:
    found = _bounds(match, "duration")
    return None if found is None else {**found, "duration_unit": _unit(match["unit"])}


def _one_unit(match: Match) -> Fields:
    return {"duration": 1, "duration_unit": _unit(match["unit"])}


def _count(match: Match) -> Fields | None:
    count = _number(match["count"])
    return {"count": count} if count else None


def _clock(match: Match) -> Fields | None:
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    half = (match["half"] or "")[:1]
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return {"at": (f"{hour:02d}:{minute:02d}",)} if hour < 24 and minute < 60 else None


def _meal(match: Match) -> Fields:
    side = _MEAL_SIDES[match["side"]]
    meals = re.findall("|".join(_MEALS), match["meals"])
    found: Fields = {"when": tuple(dict.fromkeys(side + _MEALS[meal] for meal in meals)) or (side,)}
    if match["count"]:
        found["offset"] = _number(match["count"]) * (60 if match["offset_unit"].startswith("h") else 1)
    return found


def _weekdays(match: Match) -> Fields:
    return {"days": tuple(dict.fromkeys(day[:3] for day in re.findall("|".join(_DAYS), match[0])))}


def _parts_of_day(match: Match) -> Fields | None:
    """Read the tablets of the morning, noon, evening and night, "1-0-1": one or none at each."""
    events = ("MORN", "NOON", "EVE", "HS")
    when = tuple(event for event, digit in zip(events, match[0].split("-"), strict=False) if digit == "1")
    return {"when": when} if when and set(match[0]) <= set("01-") else None


def _always(**fields: Any) -> Callable[[Match], Fields]:
    return lambda match: dict(fields)


def _per(times: int, period: int, unit: str) -> Callable[[Match], Fields]:
    return _always(times=times, period=period, period_unit=unit)


_WEEKDAY = r"(?:mon|tue|wed|thu|fri|sat|sun)(?:(?<=tue)s|(?<=thu)rs?|(?<=wed)nes|(?<=sat)ur)?(?:days?)?"
_MEAL = "(?:breakfast|lunch|dinner|supper)"
_TEXTS: tuple[tuple[str, Callable[[Match], Fields | None]], ...] = (
    (rf"(?P<upto>up to )?\s*{_RANGE}\s*(?:x|times?)\s*(?:/|a|per|each|every|in a)?\s*{_PERIOD}", _times),
    (rf"(?P<times>once|twice|thrice)\s*(?:a|an|per|every|each|in a|/)?\s*{_PERIOD}", _adverb_times),
    (
        rf"(?P<count>{_N}|an?)\s*(?P<offset_unit>minutes?|mins?|hours?|hrs?|h)\s+(?P<side>before|after)\s+"
        rf"(?:each |every |all |the )?(?P<meals>meals?|food|eating|{_MEAL})\b",
        _meal,
    ),
    (
        rf"(?P<count>)(?P<offset_unit>)(?P<side>before|after|with|at|during)\s+(?:each |every |all |the |your )?"
        rf"(?P<meals>meals?|food|eating|{_MEAL}(?:(?:\s*,\s*|\s*(?:and|&)\s*|,\s*and\s+){_MEAL})*)\b",
        _meal,
    ),
    (
        r"(?:(?:every|each) night )?(?:q\s*hs|hs|(?:at|before|every|each|q) (?:bed\s?time|bed|hs)|bedtime)\b",
        _always(when=("HS",)),
    ),
    (r"(?:q\s*am|(?:every|each|in the|q|on the) mornings?|mornings?|mane|a ?m)\b", _always(when=("MORN",))),
    (r"(?:q\s*pm)\b", _always(times=1, period=1, period_unit="d", code="PM")),
    (r"(?:(?:every|each|in the) )?afternoons?\b", _always(when=("AFT",))),
    (r"(?:(?:every|each|in the) )?evenings?\b", _always(when=("EVE",))),
    (r"(?:(?:at|every|each) )?(?:nightly|nights?|nocte)\b", _always(when=("NIGHT",))),
    (r"(?:at |every )?(?:noon|midday)\b", _always(when=("NOON",))),
    (r"(?:on|upon) (?:waking|awakening|rising)(?: up)?\b", _always(when=("WAKE",))),
    (r"(?:every |q\s*)?ac\b", _always(when=("AC",))),
    (r"pc\b", _always(when=("PC",))),
    (rf"(?:on |every |each )*{_WEEKDAY}(?:(?:\s*[,/&-]\s*|\s+)(?:and |& )?{_WEEKDAY})*\b", _weekdays),
    (r"(?:m-?w-?f|m/w/f)\b", _always(days=("mon", "wed", "fri"))),
    (
        rf"(?:once )?(?:every|each|q)\s*(?:(?P<ordinal>other|second|alternate|third|fourth)\s*|{_RANGE}\s*-?)?\s*{_UNIT}",
        _every,
    ),
    (rf"{_RANGE}\s*-?\s*hourly\b", _hourly),
    (r"(?:qd|od|daily)\b", _per(1, 1, "d")),
    (r"(?:bid|bds?)\b", _per(2, 1, "d")),
    (r"(?:tid|tds)\b", _per(3, 1, "d")),
    (r"(?:qid|qds)\b", _per(4, 1, "d")),
    (r"(?:qod|(?:on )?alternate days?)\b", _per(1, 2, "d")),
    (r"biw\b", _per(2, 1, "wk")),
    (r"tiw\b", _per(3, 1, "wk")),
    (r"qiw\b", _per(4, 1, "wk")),
    (r"hourly\b", _per(1, 1, "h")),
    (r"weekly\b", _per(1, 1, "wk")),
    (r"fortnightly\b", _per(1, 2, "wk")),
    (r"monthly\b", _per(1, 1, "mo")),
    (r"quarterly\b", _per(1, 3, "mo")),
    (r"(?:yearly|annually)\b", _per(1, 1, "a")),
    (r"\d-\d-\d(?:-\d)?(?![\d-])", _parts_of_day),
    (r"(?:prn|sos|(?:only )?(?:as|when|if) (?:needed|required|necessary))\b", _always(as_needed=True)),
    (r"(?:at )?(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>am|pm)\b", _clock),
    (r"(?:at )?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?P<half>)(?!\d)", _clock),
    (rf"(?:x|for)\s*(?P<count>{_N})\s*(?:more )?doses?\b", _count),
    (
        r"(?:(?:as )?(?:a )?(?:single|one)[ -](?:dose|time)(?: only)?|once(?: only)?|x\s*1(?: time)?)(?=[\s,;.)]|$)",
        _always(count=1),
    ),
    (rf"(?:(?:for|x)\s*)?(?:(?:the )?next |a total of )?{_RANGE}[\s-]*{_UNIT}", _duration),
    (r"(?:for )?an?\s+(?P<unit>week|month|year)\b", _one_unit),
    (r"for a (?P<unit>day)\b", _one_unit),
)


@cache
def rules() -> tuple[tuple[re.Pattern[str], Callable[[Match], Fields | None]], ...]:
    """Compile the rules, once in a process: a patient's findings have no need of them."""
    return tuple((re.compile(rf"(?<![a-z0-9]){text}"), read) for text, read in _TEXTS)
