"""A FHIR R4 Bundle of what a note says: conditions, medications, tests, procedures, and where they come from.

See http://hl7.org/fhir/R4/. Nothing is coded: every concept is the note's own words in `text`, for a terminology service
to code. What the bundle cannot say of the patient is counted in an OperationOutcome and not turned into a fact.

| the note says | becomes |
| --- | --- |
| a problem | Condition, `confirmed`; `refuted` if denied, `provisional` if uncertain; `inactive` if past |
| a relative's problem | FamilyMemberHistory |
| a drug | MedicationStatement with one dosage for each regimen; its status from what is done with the drug |
| an allergy to a drug | AllergyIntolerance |
| a test | Observation without a value; ServiceRequest if planned |
| a treatment | Procedure; ServiceRequest if planned |
| a condition ("if fever"), another person's finding, a relative's drug, a part without a drug | counted as left out |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from clinspan.clinical.assertion import assertions as find_assertions
from clinspan.clinical.medication import regimens as find_regimens
from clinspan.clinical.records import PARTS, Assertion, Regimen
from clinspan.interop.fhir.dosage import dosage
from clinspan.interop.given import by_drug, checked, place_of
from clinspan.text.decode import Span

_SYSTEM = "http://terminology.hl7.org/CodeSystem/"
_SPANS = "urn:clinspan:span"
_NOTES = "urn:clinspan:note"
# Status of a MedicationStatement, by what the note says is done with the drug.
_STATUS = {"stopped": "stopped", "held": "on-hold", "refused": "not-taken"}

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Finding:
    """A span with what the note says of it; `who` is the patient and `own` the fields that every resource has."""

    span: Span
    said: Assertion
    regimens: Sequence[Regimen]
    who: dict[str, str]
    own: dict[str, Any]

    @property
    def concept(self) -> dict[str, str]:
        return {"text": self.span.text}


def bundle(
    note: str,
    spans: Iterable[Span],
    *,
    note_id: str,
    recorded: str,
    patient: str | None = None,
    assertions: Sequence[Assertion] | None = None,
    regimens: Iterable[Regimen] | None = None,
) -> Resource:
    """Write what a note says as a FHIR R4 Bundle of the type `collection`.

    The same note, spans and time give the same bundle, ids included.

    Args:
        note: the text that was read.
        spans: its spans, with the labels of the starter.
        note_id: name of the note, for identifiers.
        recorded: when, as a FHIR instant such as 2030-01-31T12:00:00Z.
        patient: reference to the patient, such as Patient/123; None for a reference in words.
        assertions: one for each span; None to find them here.
        regimens: of the drugs; None to find them here.

    Raises:
        InputError: a span does not quote the note, or a label is not one of the starter's.
    """
    found = list(spans)
    pairs = checked(note, found, find_assertions(note, found) if assertions is None else assertions)
    drugs = by_drug(find_regimens(note, found) if regimens is None else regimens)
    who = {"display": f"patient of the note {note_id}"} if patient is None else {"reference": patient}
    linked = {(part.start, part.end) for own in drugs.values() for r in own for _, part in r.parts()}
    resources, left_out = [], Counter[str]()
    for span, said in pairs:
        assert said is not None
        place = (span.start, span.end)
        if span.label in PARTS:
            left_out["a part of a regimen without its drug"] += place not in linked
            continue
        identifier = [{"system": _SPANS, "value": f"{note_id}#{span.start}-{span.end}"}]
        finding = _Finding(span, said, drugs.get(place, ()), who, {"identifier": identifier})
        made = place_of(span.label, _MAKERS, "the FHIR bundle")(finding)
        if isinstance(made, str):
            left_out[made] += 1
        else:
            resources.append(made)
    return _collection(note_id, recorded, resources, +left_out)


def failure(note_id: str, reason: str) -> Resource:
    """Write the bundle of a note that could not be read: an OperationOutcome that says why."""
    issue = {"severity": "error", "code": "processing", "diagnostics": reason}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return _bundle(note_id, [(_uuid(note_id, "outcome"), outcome)])


def _collection(note_id: str, recorded: str, resources: list[Resource], left_out: Counter[str]) -> Resource:
    named = [(_uuid(note_id, str(number)), resource) for number, resource in enumerate(resources)]
    if named:
        named.append(
            (_uuid(note_id, "provenance"), _provenance(note_id, recorded, [url for url, _ in named]))
        )
    if left_out:
        issues = [
            {
                "severity": "information",
                "code": "informational",
                "diagnostics": f"left out: {count}, {reason}",
            }
            for reason, count in sorted(left_out.items())
        ]
        named.append((_uuid(note_id, "outcome"), {"resourceType": "OperationOutcome", "issue": issues}))
    return _bundle(note_id, named)


def _bundle(note_id: str, named: Iterable[tuple[str, Resource]]) -> Resource:
    entries = [{"fullUrl": url, "resource": resource} for url, resource in named]
    whole: Resource = {
        "resourceType": "Bundle",
        "identifier": {"system": _NOTES, "value": note_id},
        "type": "collection",
    }
    return {**whole, "entry": entries} if entries else whole  # FHIR knows no empty lists


def _uuid(note_id: str, part: str) -> str:
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{_NOTES}:{note_id}:{part}')}"


def _provenance(note_id: str, recorded: str, targets: list[str]) -> Resource:
    from clinspan import __version__

    return {
        "resourceType": "Provenance",
        "target": [{"reference": url} for url in targets],
        "recorded": recorded,
        "agent": [
            {
                "type": {
                    "coding": [{"system": f"{_SYSTEM}provenance-participant-type", "code": "assembler"}]
                },
                "who": {"display": f"clinspan {__version__}"},
            }
        ],
        "entity": [{"role": "source", "what": {"identifier": {"system": _NOTES, "value": note_id}}}],
    }


def _problem(finding: _Finding) -> Resource | str:
    said = finding.said
    if said.hypothetical:
        return "hypothetical"
    if said.experiencer == "other":
        return "another person's"
    if said.family:
        return {
            "resourceType": "FamilyMemberHistory",
            **finding.own,
            "status": "partial",
            "patient": finding.who,
            "relationship": {"text": _cue_text(said, "family") or "family member"},
            "condition": [{"code": finding.concept}],
        }
    status = "refuted" if said.negated else "provisional" if said.uncertain else "confirmed"
    return {
        "resourceType": "Condition",
        **finding.own,
        "clinicalStatus": _coded(
            "condition-clinical", "inactive" if said.historical or said.negated else "active"
        ),
        "verificationStatus": _coded("condition-ver-status", status),
        "code": finding.concept,
        "subject": finding.who,
    }


def _drug(finding: _Finding) -> Resource | str:
    said = finding.said
    if said.hypothetical:
        return "hypothetical"
    if said.experiencer != "patient":
        return "another person's"
    if said.allergy:
        status = "refuted" if said.negated else "unconfirmed" if said.uncertain else "confirmed"
        return {
            "resourceType": "AllergyIntolerance",
            **finding.own,
            "clinicalStatus": _coded("allergyintolerance-clinical", "inactive" if said.negated else "active"),
            "verificationStatus": _coded("allergyintolerance-verification", status),
            "code": finding.concept,
            "patient": finding.who,
        }
    current = [regimen for regimen in finding.regimens if not regimen.replaced]
    doses = [
        dosage(regimen, number) for number, regimen in enumerate(current, start=1) if list(regimen.parts())
    ]
    return {
        "resourceType": "MedicationStatement",
        **finding.own,
        "status": _medication_status(said),
        "medicationCodeableConcept": finding.concept,
        "subject": finding.who,
        **({"dosage": doses} if doses else {}),
    }


def _medication_status(said: Assertion) -> str:
    if said.action in _STATUS:
        return _STATUS[said.action]
    if said.negated:
        return "not-taken"
    if said.planned:
        return "intended"
    return "completed" if said.historical else "unknown" if said.uncertain else "active"


def _test(finding: _Finding) -> Resource | str:
    return _done(
        finding,
        {
            "resourceType": "Observation",
            **finding.own,
            "status": "cancelled" if finding.said.negated else "unknown",
            "code": finding.concept,
            "subject": finding.who,
            "dataAbsentReason": _coded("data-absent-reason", "unknown"),
        },
    )


def _treatment(finding: _Finding) -> Resource | str:
    said = finding.said
    status = (
        "not-done"
        if said.negated or said.action == "refused"
        else "unknown"
        if said.uncertain
        else "completed"
    )
    return _done(
        finding,
        {
            "resourceType": "Procedure",
            **finding.own,
            "status": status,
            "code": finding.concept,
            "subject": finding.who,
        },
    )


def _done(finding: _Finding, resource: Resource) -> Resource | str:
    """Give the resource of what was done; a request if it is only planned."""
    said = finding.said
    if said.hypothetical:
        return "hypothetical"
    if said.experiencer != "patient":
        return "another person's"
    if said.planned and not said.negated:
        return {
            "resourceType": "ServiceRequest",
            **finding.own,
            "status": "unknown",
            "intent": "plan",
            "code": finding.concept,
            "subject": finding.who,
        }
    return resource


_MAKERS: dict[str, Callable[[_Finding], Resource | str]] = {
    "PROBLEM": _problem,
    "DRUG": _drug,
    "TEST": _test,
    "TREATMENT": _treatment,
}


def _cue_text(said: Assertion, kind: str) -> str:
    cue = said.cue(kind)
    return "" if cue is None or cue.where == "section" else cue.text


def _coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": f"{_SYSTEM}{system}", "code": code}]}
