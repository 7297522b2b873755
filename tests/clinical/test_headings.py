"""Headings as notes write them."""

from __future__ import annotations

import pytest

from clinspan.clinical import sections

HEADINGS = [
    ("Past Medical History: asthma", ["past_history"]),
    ("PAST MEDICAL HISTORY\nasthma", ["past_history"]),
    ("## Past medical history\nasthma", ["past_history"]),
    ("**Past Medical History:** asthma", ["past_history"]),
    ("3. Past Medical History: asthma", ["past_history"]),
    ("III. PAST MEDICAL HISTORY\nasthma", ["past_history"]),
    ("11348-0^PAST MEDICAL HISTORY: asthma", ["past_history"]),
    ("[Past Medical History]\nasthma", ["past_history"]),
    ("<Past Medical History>\nasthma", ["past_history"]),
    ("== Past medical history ==\nasthma", ["past_history"]),
    ("PMHx: asthma", ["past_history"]),
    ("ALLERGIES - none", ["allergies"]),
    ("Assessment & Plan:\n1. rest", ["assessment_and_plan"]),
    ("Assessment/Plan: rest", ["assessment_and_plan"]),
    ("A/P: rest", ["assessment_and_plan"]),
    ("HPI: cough. PMH: asthma.", ["history_of_present_illness", "past_history"]),
    (
        "seen today   FAMILY HISTORY:  gout   SOCIAL HISTORY: none",
        ["none", "family_history", "social_history"],
    ),
    (
        "Medications on Admission:\naspirin\n\nDischarge Medications:\nnone",
        ["medications_on_admission", "medications_on_discharge"],
    ),
    ("Labs on admission: normal", ["labs"]),
    ("Hospital Course: fine", ["hospital_course"]),
    ("She has a plan: to rest.", ["none"]),
    ("PHYSICAL EXAM:\nNeck: supple\nLungs: clear", ["exam"]),
    ("Plan: rest\n\nFunctional Status:\nwalks", ["plan", "other"]),
    ("no headings here", ["none"]),
    ("NO ACUTE DISTRESS", ["none"]),
    ("Denies:\n- fever", ["none"]),
    ("", ["none"]),
    ("Chief Complaint\r\ncough\r\n\r\nPlan\r\nrest", ["chief_complaint", "plan"]),
]


@pytest.mark.parametrize(("note", "kinds"), HEADINGS, ids=[note[:40].split("\n")[0] for note, _ in HEADINGS])
def test_a_heading_is_found_and_what_is_none_is_not(note: str, kinds: list[str]) -> None:
    """Each note has the sections that a reader sees in it."""
    assert [each.kind for each in sections(note)] == kinds


def test_a_section_knows_its_title_and_where_its_text_begins() -> None:
    """Title, body and end are ranges of the note."""
    note = "cough\n## Plan:  rest"
    none, plan = sections(note)
    assert (none.start, none.end) == (0, 6)
    assert (plan.title, note[plan.start : plan.body], note[plan.body : plan.end]) == (
        "Plan",
        "## Plan:",
        "  rest",
    )
