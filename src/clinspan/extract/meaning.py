"""The meaning that a note gives its spans, as rows of JSON and as lines of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from clinspan.clinical.assertion import assertions
from clinspan.clinical.dosing import timing
from clinspan.clinical.headings import sections
from clinspan.clinical.medication import regimens
from clinspan.clinical.records import PARTS, Assertion, Regimen, Timing
from clinspan.extract.output import span_row
from clinspan.text.decode import Span
from clinspan.textfiles import printable


@dataclass(frozen=True, slots=True)
class Asked:
    """Which of the clinical rules are asked.

    Attributes:
        assertion: whether each span has an `assertion` and a `section`.
        regimens: whether the note has a list of `regimens`.
    """

    assertion: bool = False
    regimens: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers for one note; None for what was not asked."""

    assertions: list[Assertion] | None
    regimens: list[Regimen] | None


def meaning_of(text: str, spans: Sequence[Span], asked: Asked) -> Answers:
    """Ask the clinical rules about a note; its sections are found once."""
    if not (asked.assertion or asked.regimens):
        return Answers(None, None)
    within = sections(text)
    return Answers(
        assertions(text, spans, within=within) if asked.assertion else None,
        regimens(text, spans, within=within) if asked.regimens else None,
    )


def meaning_rows(text: str, spans: Sequence[Span], asked: Asked) -> dict[str, Any]:
    """Make the JSON fields of a note: its spans, and its regimens if they are asked.

    A span's `assertion` has a key for each kind that holds, with the words that decided; a regimen has the places of
    its spans in the list of spans, and its schedules as numbers.
    """
    meaning = meaning_of(text, spans, asked)
    rows = [span_row(span) for span in spans]
    for row, said in zip(rows, meaning.assertions or (), strict=False):
        row["assertion"] = {
            cue.kind: {"text": cue.text, "start": cue.start, "end": cue.end, "where": cue.where}
            for cue in said.cues
        }
        row["section"] = said.section.kind
    if meaning.regimens is None:
        return {"spans": rows}
    places = {id(span): place for place, span in enumerate(spans)}
    return {"spans": rows, "regimens": [_regimen_row(each, text, places) for each in meaning.regimens]}


def _regimen_row(regimen: Regimen, text: str, places: dict[int, int]) -> dict[str, Any]:
    row: dict[str, Any] = {"drug": places[id(regimen.drug)]}
    for name in PARTS.values():
        row[name] = [places[id(span)] for span in getattr(regimen, name)]
    row["replaced"] = regimen.replaced
    row["timing"] = [
        _timing_row(timing(text[span.start : span.end])) for span in (*regimen.frequency, *regimen.duration)
    ]
    return row


def _timing_row(schedule: Timing) -> dict[str, Any]:
    """Write what a schedule says, and leave out what it does not."""
    row = {field.name: getattr(schedule, field.name) for field in fields(Timing)}
    return {name: value for name, value in row.items() if value not in (None, (), "", False)}


def meaning_notes(text: str, spans: Sequence[Span], asked: Asked) -> tuple[list[str], list[str]]:
    """Write what stands in a table: a remark for each span, and a line for each regimen."""
    meaning = meaning_of(text, spans, asked)
    remarks = [
        ", ".join(f"{cue.kind} ({_one_line(cue.text)})" for cue in said.cues)
        for said in meaning.assertions or ()
    ]
    lines = []
    for regimen in meaning.regimens or ():
        parts = [text[regimen.drug.start : regimen.drug.end]]
        parts += [f"{name} {text[span.start : span.end]}" for name, span in regimen.parts()]
        lines.append(_one_line(" | ".join(parts)) + (" | replaced" if regimen.replaced else ""))
    return remarks or [""] * len(spans), lines


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
