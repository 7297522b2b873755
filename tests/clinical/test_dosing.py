"""Schedules as numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.marked import DATA

from clinspan.clinical import Timing, timing

LINES = [
    line.split(" => ")
    for line in (DATA / "schedules.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
_NUMBERS = re.compile(r"(\d*)(?:-(\d+))?/(\d+)(?:-(\d+))?([a-z]+)|for=(\d+)(?:-(\d+))?([a-z]+)")


def expected(text: str, meaning: str) -> Timing:
    """Read the notation of the file."""
    if meaning == "?":
        return Timing(text, unparsed=text)
    fields: dict[str, Any] = {}
    names = (
        "times",
        "times_max",
        "period",
        "period_max",
        "period_unit",
        "duration",
        "duration_max",
        "duration_unit",
    )
    meaning, _, rest = meaning.partition("rest=")
    meaning, _, reason = meaning.partition("reason=")
    for part in meaning.split():
        name, _, value = part.partition("=")
        numbers = _NUMBERS.fullmatch(part)
        if numbers:
            fields |= {
                key: int(each) if each.isdigit() else each
                for key, each in zip(names, numbers.groups(), strict=True)
                if each
            }
        elif name in ("days", "when", "at"):
            fields[name] = tuple(value.split(","))
        elif name in ("count", "offset"):
            fields[name] = int(value)
        elif name == "prn":
            fields["as_needed"] = True
        else:
            fields["code"] = name
    return Timing(text, **fields, reason=reason.strip(), unparsed=rest)


@pytest.mark.parametrize(("text", "meaning"), LINES, ids=[text for text, _ in LINES])
def test_a_schedule_is_read_or_left_unparsed(text: str, meaning: str) -> None:
    """Every schedule of the list has the structure that a reader gives it, or none."""
    assert timing(text) == expected(text, meaning)


def test_latin_abbreviations_mean_what_a_public_list_says(corpora: Path) -> None:
    """All of the list of parsigs (royashcenazi/parsigs, MIT) agree with it."""
    table = json.loads((corpora / "drugs" / "parsigs_latin_frequency.json").read_text(encoding="utf-8"))
    units = {"Hour": "h", "Day": "d", "Week": "wk"}
    for text, meaning in table.items():
        found = timing(text)
        assert (found.times, found.period, found.period_unit, found.unparsed) == (
            meaning["times"],
            meaning["interval"],
            units[meaning["frequencyType"]],
            "",
        ), text
