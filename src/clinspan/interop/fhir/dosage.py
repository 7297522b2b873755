"""FHIR R4's Dosage of one regimen: the note's words always, numbers where they can be read."""

from __future__ import annotations

import re
from typing import Any

from clinspan.clinical.dosing import timing
from clinspan.clinical.records import Regimen, SpanLike, Timing

_DOSE = re.compile(r"(?P<value>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]\S*)?")
_UCUM = "http://unitsofmeasure.org"
# Fields of Timing.repeat by ours.
_REPEAT = {
    "times": "frequency",
    "times_max": "frequencyMax",
    "period": "period",
    "period_max": "periodMax",
    "period_unit": "periodUnit",
    "offset": "offset",
    "count": "count",
}


def dosage(regimen: Regimen, sequence: int) -> dict[str, Any]:
    """Write how a drug is taken.

    Args:
        regimen: one drug at one time.
        sequence: the dosage's number among those of its drug, from 1.
    """
    parts = sorted((span for _, span in regimen.parts()), key=lambda span: span.start)
    made: dict[str, Any] = {"sequence": sequence, "text": " ".join(_text(span) for span in parts)}
    schedules = [timing(_text(span)) for span in (*regimen.frequency, *regimen.duration)]
    if schedules:
        made["timing"] = _timing(schedules)
        if any(schedule.as_needed for schedule in schedules):
            reason = next((schedule.reason for schedule in schedules if schedule.reason), "")
            made.update(
                {"asNeededCodeableConcept": {"text": reason}} if reason else {"asNeededBoolean": True}
            )
    if regimen.route:
        made["route"] = {"text": _text(regimen.route[0])}
    dose = _quantity(regimen.dosage or regimen.strength)
    return {**made, "doseAndRate": [{"doseQuantity": dose}]} if dose else made


def _quantity(spans: tuple[SpanLike, ...]) -> dict[str, Any] | None:
    """Read one plain number with or without a unit; anything else stays text."""
    found = _DOSE.fullmatch(_text(spans[0]).strip()) if len(spans) == 1 else None
    if found is None:
        return None
    value = float(found["value"])
    quantity: dict[str, Any] = {"value": int(value) if value.is_integer() else value}
    return {**quantity, "unit": found["unit"]} if found["unit"] else quantity


def _timing(schedules: list[Timing]) -> dict[str, Any]:
    repeat: dict[str, Any] = {}
    for schedule in schedules:
        read = {name: getattr(schedule, field) for field, name in _REPEAT.items()}
        repeat.update({name: value for name, value in read.items() if value is not None})
        lists = {
            "dayOfWeek": schedule.days,
            "timeOfDay": [f"{time}:00" for time in schedule.at],
            "when": schedule.when,
        }
        repeat.update({name: list(values) for name, values in lists.items() if values})
        repeat.update(_bounds(schedule))
    made: dict[str, Any] = {"code": {"text": " ".join(schedule.text for schedule in schedules)}}
    return {"repeat": _allowed(repeat), **made} if repeat else made


def _bounds(schedule: Timing) -> dict[str, Any]:
    if schedule.duration is None or schedule.duration_unit is None:
        return {}
    unit = {"system": _UCUM, "code": schedule.duration_unit, "unit": schedule.duration_unit}
    low = {"value": schedule.duration, **unit}
    if schedule.duration_max is None:
        return {"boundsDuration": low}
    return {"boundsRange": {"low": low, "high": {"value": schedule.duration_max, **unit}}}


def _allowed(repeat: dict[str, Any]) -> dict[str, Any]:
    """Leave out what FHIR's rules for a Timing do not allow together.

    A period needs a unit, an offset an event other than meals' general ones, and an event goes without times of day.
    """
    if "period" not in repeat or "periodUnit" not in repeat:
        repeat = {name: v for name, v in repeat.items() if name not in ("period", "periodMax", "periodUnit")}
    if "when" in repeat and "timeOfDay" in repeat:
        del repeat["when"]
    if "offset" in repeat and not set(repeat.get("when", ())) - {"C", "CM", "CD", "CV"}:
        del repeat["offset"]
    return repeat


def _text(span: SpanLike) -> str:
    return " ".join(str(getattr(span, "text", "")).split())
