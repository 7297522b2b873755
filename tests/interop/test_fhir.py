"""A library of FHIR models accepts every resource that we write."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.example_notes import texts
from tests.support.marked_note import NOTE, RECORDED, SCHEDULES, spans

from clinspan import Recognizer, Span
from clinspan.clinical.records import Regimen
from clinspan.interop import fhir
from clinspan.interop.fhir.dosage import dosage

models = pytest.importorskip("fhir.resources.R4B.bundle")
dosages = pytest.importorskip("fhir.resources.R4B.dosage")


def test_the_models_take_the_bundle_and_give_it_back_whole() -> None:
    """Every resource of the marked note, a failure's, and an empty one."""
    for bundle in (
        fhir.bundle(NOTE, spans(), note_id="ward/a b.txt", recorded=RECORDED, patient="Patient/1"),
        fhir.failure("a", "a.txt: not UTF-8"),
        fhir.bundle("Well.", [], note_id="a", recorded=RECORDED),
    ):
        assert json.loads(models.Bundle.model_validate(bundle).model_dump_json()) == bundle


@pytest.mark.parametrize("number", range(len(texts())))
def test_the_models_take_what_the_starter_finds(number: int, starter: Recognizer) -> None:
    """In our example notes, awkward ones included."""
    note = texts()[number]
    models.Bundle.model_validate(
        fhir.bundle(note, starter.recognize(note), note_id=str(number), recorded=RECORDED)
    )


@settings(max_examples=300, deadline=None)
@given(
    frequency=st.sampled_from(SCHEDULES),
    duration=st.sampled_from(["for 7 days", "7-10 days", "for two weeks", "until review"]),
    dose=st.sampled_from(["1 tablet", "1-2 tablets", "0.5 mL", "two puffs", "10"]),
)
def test_every_dosage_is_valid(frequency: str, duration: str, dose: str) -> None:
    """Whatever the schedule says, its numbers, units and events go together as FHIR asks."""
    parts = [
        Span(label, 0, len(text), text, 1.0)
        for label, text in (("F", frequency), ("D", duration), ("O", dose))
    ]
    regimen = Regimen(parts[0], frequency=(parts[0],), duration=(parts[1],), dosage=(parts[2],))
    dosages.Dosage.model_validate(dosage(regimen, 1))
