"""The response of Amazon Comprehend Medical's DetectEntitiesV2.

Written as documented at https://docs.aws.amazon.com/comprehend-medical/latest/api/API_DetectEntitiesV2.html. Offsets
count Unicode code points, as in the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from clinspan.interop.given import by_drug, checked, place_of
from clinspan.text.decode import Span

if TYPE_CHECKING:
    from clinspan.clinical.records import Assertion, Regimen

# Category and type of each label. A drug's type is generic or brand name in the service; ours does not tell them apart.
TYPES = {
    "DRUG": ("MEDICATION", "GENERIC_NAME"),
    "STRENGTH": ("MEDICATION", "STRENGTH"),
    "FORM": ("MEDICATION", "FORM"),
    "ROUTE": ("MEDICATION", "ROUTE_OR_MODE"),
    "DOSAGE": ("MEDICATION", "DOSAGE"),
    "FREQUENCY": ("MEDICATION", "FREQUENCY"),
    "DURATION": ("MEDICATION", "DURATION"),
    "PROBLEM": ("MEDICAL_CONDITION", "DX_NAME"),
    "TEST": ("TEST_TREATMENT_PROCEDURE", "TEST_NAME"),
    "TREATMENT": ("TEST_TREATMENT_PROCEDURE", "TREATMENT_NAME"),
}

# What an assertion says, and the trait that says the same.
_TRAITS = (
    ("negated", "NEGATION"),
    ("uncertain", "LOW_CONFIDENCE"),
    ("hypothetical", "HYPOTHETICAL"),
    ("historical", "PAST_HISTORY"),
    ("family", "PERTAINS_TO_FAMILY"),
    ("planned", "FUTURE"),
)


def detect_entities_v2(
    note: str,
    spans: Iterable[Span],
    *,
    assertions: Sequence[Assertion] | None = None,
    regimens: Iterable[Regimen] | None = None,
    model_version: str = "clinspan",
) -> dict[str, Any]:
    """Write spans as the service's response.

    A part of a regimen is an attribute of its drug and not an entity of its own; a part without a drug is an unmapped
    attribute, as in the service. Rules have no probability, so the score of a trait or of a relation is 1.0.

    Args:
        note: the text that was read.
        spans: its spans, with the labels of the starter.
        assertions: one for each span, for the traits.
        regimens: for the attributes of drugs.
        model_version: for the field `ModelVersion`.

    Raises:
        InputError: a span does not quote the note, or a label has no place in the service's types.
    """
    drugs = by_drug(regimens)
    entities, attributes = [], {}
    for number, (span, assertion) in enumerate(checked(note, spans, assertions)):
        category, kind = place_of(span.label, TYPES, "Comprehend Medical")
        entity = {
            "Id": number,
            "BeginOffset": span.start,
            "EndOffset": span.end,
            "Score": span.score,
            "Text": span.text,
            "Category": category,
            "Type": kind,
            "Traits": _traits(span.label, assertion),
        }
        if category == "MEDICATION" and span.label != "DRUG":
            attributes[span.start, span.end] = {
                "Type": kind,
                "Score": span.score,
                "RelationshipScore": 1.0,
                "RelationshipType": kind,
                **{
                    key: entity[key]
                    for key in ("Id", "BeginOffset", "EndOffset", "Text", "Category", "Traits")
                },
            }
        else:
            entities.append(entity)
    linked = _link(entities, attributes, drugs)
    return {
        "Entities": entities,
        "UnmappedAttributes": [
            {"Type": "MEDICATION", "Attribute": _alone(attribute)}
            for place, attribute in attributes.items()
            if place not in linked
        ],
        "ModelVersion": model_version,
    }


def _traits(label: str, assertion: Assertion | None) -> list[dict[str, Any]]:
    names = ["DIAGNOSIS"] if label == "PROBLEM" else []
    names += [trait for field, trait in _TRAITS if assertion is not None and getattr(assertion, field)]
    return [{"Name": name, "Score": 1.0} for name in names]


def _link(
    entities: list[dict[str, Any]],
    attributes: dict[tuple[int, int], dict[str, Any]],
    drugs: dict[tuple[int, int], list[Regimen]],
) -> set[tuple[int, int]]:
    """Give drugs their attributes; returns the places of those that have a drug."""
    linked: set[tuple[int, int]] = set()
    for entity in entities:
        places: dict[tuple[int, int], None] = {}
        for regimen in drugs.get((entity["BeginOffset"], entity["EndOffset"]), ()):
            places.update(dict.fromkeys((part.start, part.end) for _, part in regimen.parts()))
        own = [attributes[place] for place in sorted(places) if place in attributes]
        if own:
            entity["Attributes"] = own
        linked.update(places)
    return linked


def _alone(attribute: dict[str, Any]) -> dict[str, Any]:
    """Leave out what an attribute says of a relation that it does not have."""
    return {key: value for key, value in attribute.items() if not key.startswith("Relationship")}
