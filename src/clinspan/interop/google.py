"""The response of the Google Healthcare Natural Language API's `analyzeEntities`.

Written as documented at
https://cloud.google.com/healthcare-api/docs/reference/rest/v1/projects.locations.services.nlp/analyzeEntities. Offsets
count Unicode code points, as in the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from clinspan.interop.given import by_drug, checked, place_of
from clinspan.text.decode import Span

if TYPE_CHECKING:
    from clinspan.clinical.records import Assertion, Regimen

TYPES = {
    "DRUG": "MEDICINE",
    "STRENGTH": "MED_STRENGTH",
    "FORM": "MED_FORM",
    "ROUTE": "MED_ROUTE",
    "DOSAGE": "MED_DOSE",
    "FREQUENCY": "MED_FREQUENCY",
    "DURATION": "MED_DURATION",
    "PROBLEM": "PROBLEM",
    "TEST": "PROCEDURE",
    "TREATMENT": "PROCEDURE",
}


def analyze_entities(
    note: str,
    spans: Iterable[Span],
    *,
    assertions: Sequence[Assertion] | None = None,
    regimens: Iterable[Regimen] | None = None,
) -> dict[str, Any]:
    """Write spans as the service's response.

    There are no linked entities: clinspan does not code what it finds. Without assertions a mention says nothing of
    time, certainty and subject.

    Args:
        note: the text that was read.
        spans: its spans, with the labels of the starter.
        assertions: one for each span.
        regimens: for the relationships from a drug to its strength, dose and the rest.

    Raises:
        InputError: a span does not quote the note, or a label has no place in the service's types.
    """
    mentions, names = [], {}
    for number, (span, assertion) in enumerate(checked(note, spans, assertions), start=1):
        names[span.start, span.end] = str(number)
        mentions.append(
            {
                "mentionId": str(number),
                "type": place_of(span.label, TYPES, "the Healthcare Natural Language API"),
                "text": {"content": span.text, "beginOffset": span.start},
                **({} if assertion is None else _assessments(assertion)),
                "confidence": span.score,
            }
        )
    relationships = []
    for drug, own in by_drug(regimens).items():
        for regimen in own:
            for _, part in regimen.parts():
                relationships.append(
                    {"subjectId": names[drug], "objectId": names[part.start, part.end], "confidence": 1.0}
                )
    return {"entityMentions": mentions, "entities": [], "relationships": relationships}


def _assessments(assertion: Assertion) -> dict[str, Any]:
    if assertion.hypothetical:
        certainty = "CONDITIONAL"
    elif assertion.negated:
        certainty = "SOMEWHAT_UNLIKELY" if assertion.uncertain else "UNLIKELY"
    else:
        certainty = "SOMEWHAT_LIKELY" if assertion.uncertain else "LIKELY"
    time = "CURRENT"
    if assertion.allergy:
        time = "ALLERGY"
    elif assertion.family:
        time = "FAMILY_HISTORY"
    elif assertion.historical:
        time = "CLINICAL_HISTORY"
    elif assertion.planned:
        time = "UPCOMING"
    subject = {"patient": "PATIENT", "family": "FAMILY_MEMBER", "other": "OTHER"}[assertion.experiencer]
    # Rules have no probability.
    return {
        "temporalAssessment": {"value": time, "confidence": 1.0},
        "certaintyAssessment": {"value": certainty, "confidence": 1.0},
        "subject": {"value": subject, "confidence": 1.0},
    }
