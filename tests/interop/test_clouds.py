"""The cloud services' own clients read our answers: their packages carry the services' schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.marked_note import NOTE, spans

from clinspan.clinical import assertions, regimens
from clinspan.interop import aws, azure, google

SPANS = spans()
MEANING: dict[str, Any] = {"assertions": assertions(NOTE, SPANS), "regimens": regimens(NOTE, SPANS)}


def test_boto3_reads_the_comprehend_medical_answer_whole() -> None:
    """Every field has its place in the service's model, and every category, type and trait is one of its own."""
    loaders = pytest.importorskip("botocore.loaders")
    model = pytest.importorskip("botocore.model")
    parsers = pytest.importorskip("botocore.parsers")
    service = model.ServiceModel(loaders.Loader().load_service_model("comprehendmedical", "service-2"))
    shape = service.operation_model("DetectEntitiesV2").output_shape
    answer = aws.detect_entities_v2(NOTE, SPANS, **MEANING)
    response = {"body": json.dumps(answer).encode(), "headers": {}, "status_code": 200}
    read = parsers.JSONParser().parse(response, shape)
    del read["ResponseMetadata"]
    assert read["UnmappedAttributes"] == answer["UnmappedAttributes"]
    assert read == answer
    assert unknown_values(shape, answer) == []


def unknown_values(shape: Any, value: Any) -> list[str]:
    """Values that the service's enumerations do not have."""
    if shape.type_name == "structure":
        found = [unknown_values(shape.members[name], part) for name, part in value.items()]
    elif shape.type_name == "list":
        found = [unknown_values(shape.member, part) for part in value]
    else:
        return [value] if getattr(shape, "enum", None) and value not in shape.enum else []
    return [one for part in found for one in part]


def test_azures_client_reads_the_document() -> None:
    """Its own models keep every entity, assertion and relation, and know every category and relation."""
    client = pytest.importorskip("azure.ai.textanalytics")
    generated = pytest.importorskip("azure.ai.textanalytics._generated.v2023_04_01.models")
    document = azure.healthcare_document(NOTE, SPANS, **MEANING)
    raw = generated.HealthcareEntitiesDocumentResult.deserialize(document)
    read = client.AnalyzeHealthcareEntitiesResult._from_generated(raw)
    assert [(e.text, e.offset, e.length) for e in read.entities] == [
        (span.text, span.start, span.end - span.start) for span in SPANS
    ]
    assert {e.category for e in read.entities} <= {one.value for one in client.HealthcareEntityCategory}
    relations = {one.value for one in client.HealthcareEntityRelation}
    assert read.entity_relations
    assert {relation.relation_type for relation in read.entity_relations} <= relations
    fever = next(e for e in read.entities if e.text == "fever")
    assert fever.assertion.certainty == client.EntityCertainty.NEGATIVE


def test_googles_discovery_document_has_every_field_and_value() -> None:
    """The client is made from this document; it lists the types of mentions and the values of assessments."""
    discovery = pytest.importorskip("googleapiclient.discovery_cache")
    schemas = json.loads(discovery.get_static_doc("healthcare", "v1"))["schemas"]
    answer = google.analyze_entities(NOTE, SPANS, **MEANING)
    fields = {name: set(schema.get("properties", ())) for name, schema in schemas.items()}
    said = {name: part["description"] for name, part in schemas["EntityMention"]["properties"].items()}
    assert set(answer) <= fields["AnalyzeEntitiesResponse"]
    for mention in answer["entityMentions"]:
        assert set(mention) <= fields["EntityMention"]
        assert set(mention["text"]) <= fields["TextSpan"]
        assert mention["type"] in said["type"]
        for name in ("temporalAssessment", "certaintyAssessment", "subject"):
            assert set(mention[name]) <= fields["Feature"]
            assert mention[name]["value"] in said[name]
    assert answer["relationships"]
    assert all(set(pair) <= fields["EntityMentionRelationship"] for pair in answer["relationships"])
