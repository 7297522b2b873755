"""A document of the results of Azure's Text Analytics for health.

Written as documented at
https://learn.microsoft.com/azure/ai-services/language-service/text-analytics-for-health/concepts/health-entity-categories
with `stringIndexType` `UnicodeCodePoint`: offsets and lengths count characters as Python does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from clinspan.clinical.records import PARTS
from clinspan.interop.given import by_drug, checked, place_of
from clinspan.text.decode import Span

if TYPE_CHECKING:
    from clinspan.clinical.records import Assertion, Regimen

# Category of each label. A strength and a dose are both a dosage there, a duration is a time.
CATEGORIES = {
    "DRUG": "MedicationName",
    "STRENGTH": "Dosage",
    "FORM": "MedicationForm",
    "ROUTE": "MedicationRoute",
    "DOSAGE": "Dosage",
    "FREQUENCY": "Frequency",
    "DURATION": "Time",
    "PROBLEM": "Diagnosis",
    "TEST": "ExaminationName",
    "TREATMENT": "TreatmentName",
}

# Relation of each part of a regimen to its drug, and the role of the part in it.
_RELATIONS = {
    "strength": ("DosageOfMedication", "Dosage"),
    "form": ("FormOfMedication", "Form"),
    "route": ("RouteOfMedication", "Route"),
    "dosage": ("DosageOfMedication", "Dosage"),
    "frequency": ("FrequencyOfMedication", "Frequency"),
    "duration": ("TimeOfMedication", "Time"),
}
assert set(_RELATIONS) == set(PARTS.values())


def healthcare_document(
    note: str,
    spans: Iterable[Span],
    *,
    assertions: Sequence[Assertion] | None = None,
    regimens: Iterable[Regimen] | None = None,
    document_id: str = "1",
) -> dict[str, Any]:
    """Write spans as one document of the service's results.

    Relations refer to entities as in an answer with this one document in it.

    Args:
        note: the text that was read.
        spans: its spans, with the labels of the starter.
        assertions: one for each span, for `assertion`.
        regimens: for the relations.
        document_id: for the field `id`.

    Raises:
        InputError: a span does not quote the note, or a label has no place in the service's categories.
    """
    pairs = checked(note, spans, assertions)
    entities = [_entity(span, assertion) for span, assertion in pairs]
    places = {(span.start, span.end): number for number, (span, _) in enumerate(pairs)}
    relations = []
    for drug, own in by_drug(regimens).items():
        for regimen in own:
            for part, span in regimen.parts():
                kind, role = _RELATIONS[part]
                ends = ((role, places[span.start, span.end]), ("Medication", places[drug]))
                relations.append(
                    {
                        "relationType": kind,
                        "entities": [
                            {"ref": f"#/results/documents/0/entities/{n}", "role": name} for name, n in ends
                        ],
                    }
                )
    return {"id": document_id, "entities": entities, "relations": relations, "warnings": []}


def _entity(span: Span, assertion: Assertion | None) -> dict[str, Any]:
    entity = {
        "offset": span.start,
        "length": span.end - span.start,
        "text": span.text,
        "category": place_of(span.label, CATEGORIES, "Text Analytics for health"),
        "confidenceScore": span.score,
    }
    said = {} if assertion is None else _assertion(assertion)
    return {**entity, "assertion": said} if said else entity


def _assertion(assertion: Assertion) -> dict[str, str]:
    """Say what is not the default; the service leaves defaults out too."""
    said = {}
    if assertion.hypothetical or assertion.planned:
        said["conditionality"] = "hypothetical"
    if assertion.negated:
        said["certainty"] = "negativePossible" if assertion.uncertain else "negative"
    elif assertion.uncertain:
        said["certainty"] = "neutralPossible"
    if assertion.experiencer != "patient":
        said["association"] = "other"
    if assertion.historical:
        said["temporality"] = "past"
    elif assertion.planned:
        said["temporality"] = "future"
    return said
