"""A note that we wrote, with its spans marked by hand: every label, and one of each thing that a note says of a span."""

from __future__ import annotations

from clinspan import Span

# When a bundle says that it was written, and schedules of every shape that FHIR has a field for.
RECORDED = "2030-01-31T12:00:00Z"
SCHEDULES = [
    "q6-8h prn pain",
    "every other day",
    "30 minutes before meals",
    "MWF at 8 am",
    "at bedtime",
    "x 3 doses",
    "once",
    "BID",
    "twice weekly",
]

NOTE = (
    "Takes aspirin 81 mg tablet by mouth 1 tablet twice daily for 7 days for chest pain.\n"
    "Denies fever. Possible pneumonia. History of asthma. Return if vomiting occurs.\n"
    "Stopped warfarin. ECG was normal. MRI is planned. Had physiotherapy. <b>5 & 6</b> \U0001f642 café\n"
    "Family history: mother had stroke.\n"
    "Allergies: penicillin.\n"
)
MARKED = [
    ("DRUG", "aspirin"),
    ("STRENGTH", "81 mg"),
    ("FORM", "tablet"),
    ("ROUTE", "by mouth"),
    ("DOSAGE", "1 tablet"),
    ("FREQUENCY", "twice daily"),
    ("DURATION", "for 7 days"),
    ("PROBLEM", "chest pain"),
    ("PROBLEM", "fever"),
    ("PROBLEM", "pneumonia"),
    ("PROBLEM", "asthma"),
    ("PROBLEM", "vomiting"),
    ("DRUG", "warfarin"),
    ("TEST", "ECG"),
    ("TEST", "MRI"),
    ("TREATMENT", "physiotherapy"),
    ("PROBLEM", "<b>5 & 6</b>"),
    ("PROBLEM", "café"),
    ("PROBLEM", "stroke"),
    ("DRUG", "penicillin"),
]


def spans() -> list[Span]:
    """The note's spans, in order."""
    found, place = [], 0
    for number, (label, text) in enumerate(MARKED):
        place = NOTE.index(text, place)
        found.append(Span(label, place, place + len(text), text, 0.5 + number / 100))
        place += len(text)
    return found
