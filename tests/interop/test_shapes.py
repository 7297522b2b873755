"""Each shape says what the spans say, in its own words, and refuses what it cannot say."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from tests.support.marked_note import NOTE, spans

from clinspan import Recognizer, Span
from clinspan.clinical import assertions, regimens
from clinspan.errors import InputError
from clinspan.interop import aws, azure, fhir, google, huggingface, omop, tables
from clinspan.interop.spacy import displacy

SPANS = spans()
SAID = assertions(NOTE, SPANS)
DRUGS = regimens(NOTE, SPANS)
MEANING: dict[str, Any] = {"assertions": SAID, "regimens": DRUGS}
WHEN: dict[str, Any] = {"note_id": "a", "recorded": "2030-01-31T12:00:00Z"}


def test_hugging_face_entities_have_the_pipelines_keys_and_quote_the_note() -> None:
    """Offsets, names and scores are the spans'."""
    found = huggingface.entities(SPANS)
    assert [list(entity) for entity in found[:1]] == [["entity_group", "score", "word", "start", "end"]]
    assert [NOTE[entity["start"] : entity["end"]] for entity in found] == [span.text for span in SPANS]


def test_comprehend_medical_gets_traits_and_attributes() -> None:
    """A denial is NEGATION; the parts of a regimen belong to their drug and stand nowhere else."""
    answer = aws.detect_entities_v2(NOTE, SPANS, **MEANING)
    entities = {entity["Text"]: entity for entity in answer["Entities"]}
    traits = {text: [trait["Name"] for trait in entity["Traits"]] for text, entity in entities.items()}
    assert traits["fever"] == ["DIAGNOSIS", "NEGATION"]
    assert traits["pneumonia"] == ["DIAGNOSIS", "LOW_CONFIDENCE"]
    assert traits["asthma"] == ["DIAGNOSIS", "PAST_HISTORY"]
    assert traits["vomiting"] == ["DIAGNOSIS", "HYPOTHETICAL"]
    assert "PERTAINS_TO_FAMILY" in traits["stroke"]
    assert traits["MRI"] == ["FUTURE"]
    attributes = {part["Type"]: part["Text"] for part in entities["aspirin"]["Attributes"]}
    assert attributes["STRENGTH"] == "81 mg"
    assert attributes["FREQUENCY"] == "twice daily"
    assert "81 mg" not in entities


def test_comprehend_medical_keeps_a_part_without_a_drug_as_an_unmapped_attribute() -> None:
    """Nothing is lost where no regimen claims it."""
    note = "81 mg"
    answer = aws.detect_entities_v2(
        note, [Span("STRENGTH", 0, 5, "81 mg", 0.5)], assertions=None, regimens=[]
    )
    assert answer["Entities"] == []
    assert [row["Attribute"]["Text"] for row in answer["UnmappedAttributes"]] == ["81 mg"]


def test_azure_gets_assertions_and_relations() -> None:
    """Defaults are left out; relations point at entities by their place in the list."""
    document = azure.healthcare_document(NOTE, SPANS, **MEANING)
    entities = document["entities"]
    said = {entity["text"]: entity.get("assertion") for entity in entities}
    assert said["fever"] == {"certainty": "negative"}
    assert said["pneumonia"] == {"certainty": "neutralPossible"}
    assert said["chest pain"] is None
    assert said["stroke"] is not None
    assert said["stroke"]["association"] == "other"
    pairs = set()
    for relation in document["relations"]:
        texts = [entities[int(end["ref"].rpartition("/")[2])]["text"] for end in relation["entities"]]
        pairs.add((relation["relationType"], *texts))
    assert ("FrequencyOfMedication", "twice daily", "aspirin") in pairs


def test_google_gets_assessments_and_relationships() -> None:
    """A mention says when, how sure and whose; a drug is the subject of its parts."""
    answer = google.analyze_entities(NOTE, SPANS, **MEANING)
    mentions = {mention["mentionId"]: mention for mention in answer["entityMentions"]}
    said = {
        mention["text"]["content"]: (
            mention["certaintyAssessment"]["value"],
            mention["temporalAssessment"]["value"],
            mention["subject"]["value"],
        )
        for mention in mentions.values()
    }
    assert said["fever"] == ("UNLIKELY", "CURRENT", "PATIENT")
    assert said["stroke"][1:] == ("FAMILY_HISTORY", "FAMILY_MEMBER")
    assert said["vomiting"][0] == "CONDITIONAL"
    named = [
        (mentions[pair["subjectId"]]["text"]["content"], mentions[pair["objectId"]]["text"]["content"])
        for pair in answer["relationships"]
    ]
    assert ("aspirin", "81 mg") in named


def test_fhir_bundle_says_of_the_patient_what_the_note_says_of_the_patient() -> None:
    """A denied problem is refuted; a relative's is family history; a condition is left out and counted."""
    found: dict[str, dict[str, Any]] = {}
    outcome: dict[str, Any] = {}
    for entry in fhir.bundle(NOTE, SPANS, **WHEN)["entry"]:
        resource = entry["resource"]
        concept = resource.get("code") or resource.get("medicationCodeableConcept")
        if resource["resourceType"] == "OperationOutcome":
            outcome = resource
        elif resource["resourceType"] == "FamilyMemberHistory":
            found[resource["condition"][0]["code"]["text"]] = resource
        elif concept:
            found[concept["text"]] = resource
    status = {
        text: resource["verificationStatus"]["coding"][0]["code"]
        for text, resource in found.items()
        if resource["resourceType"] == "Condition"
    }
    assert status["chest pain"] == "confirmed"
    assert status["fever"] == "refuted"
    assert status["pneumonia"] == "provisional"
    assert "vomiting" not in found
    kinds = {text: resource["resourceType"] for text, resource in found.items()}
    assert kinds["stroke"] == "FamilyMemberHistory"
    assert kinds["penicillin"] == "AllergyIntolerance"
    assert (kinds["ECG"], kinds["MRI"], kinds["physiotherapy"]) == (
        "Observation",
        "ServiceRequest",
        "Procedure",
    )
    assert found["warfarin"]["status"] == "stopped"
    assert [issue["diagnostics"] for issue in outcome["issue"]] == ["left out: 1, hypothetical"]


def test_fhir_dosage_has_numbers_where_the_note_has_them() -> None:
    """Twice a day for seven days, one tablet, by mouth."""
    (statement,) = [
        entry["resource"]
        for entry in fhir.bundle(NOTE, SPANS, **WHEN)["entry"]
        if entry["resource"].get("medicationCodeableConcept") == {"text": "aspirin"}
    ]
    (dose,) = statement["dosage"]
    assert dose["route"] == {"text": "by mouth"}
    assert dose["doseAndRate"] == [{"doseQuantity": {"value": 1, "unit": "tablet"}}]
    repeat = dose["timing"]["repeat"]
    assert (repeat["frequency"], repeat["period"], repeat["periodUnit"]) == (2, 1, "d")
    assert repeat["boundsDuration"]["value"] == 7


def test_the_same_note_gives_the_same_fhir_bundle() -> None:
    """Ids are made from the note's name, so that a store takes a second delivery for the first."""
    assert fhir.bundle(NOTE, SPANS, **WHEN) == fhir.bundle(NOTE, SPANS, **WHEN)
    assert "entry" not in fhir.bundle("Well.", [], **WHEN)


def test_omop_rows_have_the_tables_columns_and_say_what_exists() -> None:
    """`term_exists` is N for what is denied, doubted or a relative's."""
    rows = omop.note_nlp(NOTE, SPANS, note_id=7, on=date(2030, 1, 31), assertions=SAID, first=5)
    by_text = {row["lexical_variant"]: row for row in rows}
    assert [row["note_nlp_id"] for row in rows] == list(range(5, 5 + len(SPANS)))
    assert (by_text["chest pain"]["term_exists"], by_text["fever"]["term_exists"]) == ("Y", "N")
    assert by_text["stroke"]["term_exists"] == "N"
    assert by_text["asthma"]["term_temporal"] == "Past"
    assert all(row["lexical_variant"] in row["snippet"] and len(row["snippet"]) <= 250 for row in rows)
    assert all(NOTE[int(row["offset"]) :].startswith(row["lexical_variant"]) for row in rows)


def test_rows_are_flat_and_carry_assertions_when_given() -> None:
    """One dictionary a span, for data frames."""
    (first, *_) = tables.rows("a", NOTE, SPANS, assertions=SAID)
    assert list(first) == [*tables.COLUMNS, *tables.ASSERTION_COLUMNS]
    assert list(tables.rows("a", NOTE, SPANS)[0]) == list(tables.COLUMNS)


def test_every_label_of_the_starter_has_a_place_in_every_shape(starter: Recognizer) -> None:
    """The ten labels of the starter are the ten that the tables know."""
    assert set(starter.labels) == set(aws.TYPES) == set(azure.CATEGORIES) == set(google.TYPES)


SHAPES: dict[str, Callable[[str, list[Span]], Any]] = {
    "aws": aws.detect_entities_v2,
    "azure": azure.healthcare_document,
    "google": google.analyze_entities,
    "fhir": lambda note, found: fhir.bundle(note, found, note_id="a", recorded="2030-01-31T12:00:00Z"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_label_without_a_place_is_refused_by_name(name: str) -> None:
    """Guessing a category for somebody's own label would be a false statement."""
    with pytest.raises(InputError, match="no place for the label 'GENE'"):
        SHAPES[name]("BRCA1 found.", [Span("GENE", 0, 5, "BRCA1", 0.5)])


@pytest.mark.parametrize("name", SHAPES)
def test_spans_of_another_note_are_refused(name: str) -> None:
    """They would give offsets that point at other words."""
    with pytest.raises(InputError, match="does not quote the note"):
        SHAPES[name]("Takes ibuprofen.", [Span("DRUG", 6, 13, "aspirin", 0.5)])


def test_a_missing_assertion_is_refused() -> None:
    """One for each span, or none at all."""
    with pytest.raises(InputError, match="expected one for each"):
        tables.rows("a", NOTE, SPANS, assertions=SAID[1:])


def test_displacy_takes_the_spans_as_they_are() -> None:
    """Offsets need no alignment there."""
    assert displacy(NOTE, SPANS)["ents"][0] == {"start": 6, "end": 13, "label": "DRUG"}


@pytest.mark.parametrize(
    "answer",
    [
        aws.detect_entities_v2(NOTE, SPANS, **MEANING),
        azure.healthcare_document(NOTE, SPANS, **MEANING),
        google.analyze_entities(NOTE, SPANS, **MEANING),
        fhir.bundle(NOTE, SPANS, **WHEN),
    ],
    ids=["aws", "azure", "google", "fhir"],
)
def test_every_answer_can_be_written_as_json(answer: dict[str, Any]) -> None:
    """Plain values throughout."""
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


@pytest.mark.parametrize(
    "name", ["aws", "azure", "fhir", "google", "html", "huggingface", "omop", "spacy", "tables"]
)
def test_a_shape_needs_no_package_to_be_imported(name: str) -> None:
    """The library that it is made for is imported when it is called, or never."""
    assert importlib.import_module(f"clinspan.interop.{name}")


@pytest.mark.export
def test_the_keys_are_those_that_transformers_itself_writes() -> None:
    """Its pipeline groups one entity: the same keys, in the same order."""
    from types import SimpleNamespace

    from transformers import TokenClassificationPipeline

    token = {"entity": "B-DRUG", "score": 0.5, "word": "aspirin", "start": 6, "end": 13}
    pipeline = SimpleNamespace(tokenizer=SimpleNamespace(convert_tokens_to_string=" ".join))
    theirs = TokenClassificationPipeline.group_sub_entities(pipeline, [token])
    (ours,) = huggingface.entities([Span("DRUG", 6, 13, "aspirin", 0.5)])
    assert list(ours) == list(theirs)
    assert {key: theirs[key] for key in ("word", "start", "end")} == {
        key: ours[key] for key in ("word", "start", "end")
    }
