"""Gather the starter's training documents: every corpus under one set of labels, each with those it may speak about."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import jsonl
from clinspan.textfiles import read_objects

LABELS = (
    "DRUG", "STRENGTH", "FORM", "ROUTE", "DOSAGE", "FREQUENCY", "DURATION", "PROBLEM", "TEST", "TREATMENT",
)  # fmt: skip
MEDICATION = frozenset(LABELS[:7])
CLINICAL = frozenset(LABELS[7:])

# A corpus calls these drugs; here they are treatments, because they name no drug.
_NO_DRUG = re.compile(
    r"chemotherap|radiother|an(a)?esthesia|sedation|anticoagulation$|\b(therapy|therapies|treatment|treatments|regimen)\b"
    r"|^(the )?(\w+ )?(medications?|medicines?|drugs?|agents?|medical|infusions?|transfusions?)$",
    re.IGNORECASE,
)
_VOLUME = re.compile(r"^[\d.,\s–-]+(m[lL]|cc|L)$")
_LEAD = re.compile(
    r"(?:\b(?:for|over|during)\s+(?:the\s+)?(?:next\s+|past\s+|last\s+|first\s+|about\s+|up to\s+)?)$",
    re.IGNORECASE,
)


def case_reports(corpora: Path, part: str) -> list[Document]:
    """MACCROBAT: the same reports with clinical and with medication labels, merged; body parts belong to the clinical ones.

    FORM and DOSAGE are hardly annotated there, and DURATION only for drugs that it names, so that their absence says
    nothing.
    """
    clinical = jsonl.read(corpora / f"ptt_notes/maccrobat_bodyparts_{part}.jsonl")
    medication = {d.id: d for d in jsonl.read(corpora / f"med/med_maccrobat_{part}.jsonl")}
    known = frozenset(LABELS) - {"FORM", "DOSAGE", "DURATION"}
    return [replace(_merge(document, medication[document.id]), labels=known) for document in clinical]


def _merge(clinical: Document, medication: Document) -> Document:
    drugs = [_as_ours(clinical.text, entity) for entity in medication.entities]
    taken = [(e.start, e.end) for e in drugs]
    rest = [e for e in clinical.entities if not any(e.start < end and start < e.end for start, end in taken)]
    return replace(clinical, entities=tuple(sorted([*drugs, *rest], key=lambda e: e.start)))


def _as_ours(text: str, entity: Entity) -> Entity:
    """One medication entity under this project's guideline."""
    words = text[entity.start : entity.end]
    if entity.label == "DRUG" and _NO_DRUG.search(words):
        return replace(entity, label="TREATMENT")
    if entity.label == "STRENGTH" and _VOLUME.match(words):
        return replace(entity, label="DOSAGE")
    if entity.label == "DURATION" and (lead := _LEAD.search(text[max(0, entity.start - 24) : entity.start])):
        return replace(entity, start=entity.start - len(lead[0]))
    return entity


def adverse_events(corpora: Path, part: str) -> list[Document]:
    """PHEE: sentences about harm done by drugs. They mark only what belongs to the event, so absence proves nothing."""
    documents = jsonl.read(corpora / f"med/med_phee_{part}.jsonl")
    return [
        replace(d, entities=_disjoint(_as_ours(d.text, e) for e in d.entities), labels=PHEE_LABELS)
        for d in documents
    ]


# What an unmarked word of a PHEE sentence is taken not to be.
PHEE_LABELS = frozenset({"DRUG", "STRENGTH", "ROUTE", "FREQUENCY", "DURATION"})


def _disjoint(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda e: e.start):
        if not kept or entity.start >= kept[-1].end:
            kept.append(entity)
    return tuple(kept)


def medication_lines(corpora: Path, annotations: Path, part: str) -> list[Document]:
    """Real medication lines with this project's own annotations; `part` is "development" or "test".

    Raises:
        ValueError: the corpora folder holds another text than the one that was annotated.
    """
    lines = json.loads((corpora / "med/unlabelled_medication_lines.json").read_text(encoding="utf-8"))
    texts = {(line["source"], line["id"], line["start"]): line["text"] for line in lines}
    documents = []
    for _, row in read_objects(annotations):
        text = texts[row["source"], row["id"], row["start"]]
        check_annotated(text, row["sha256"], f"line {row['source']} {row['id']} {row['start']}")
        if row["part"] == part:
            entities = tuple(Entity(e["start"], e["end"], e["label"]) for e in row["entities"])
            documents.append(
                Document(f"{row['source']}/{row['id']}/{row['start']}", text, entities, MEDICATION)
            )
    return documents


def check_annotated(text: str, sha256: str, name: str) -> None:
    """Raise ValueError where a corpus holds another text than the one whose hash an annotation records."""
    if hashlib.sha256(text.encode()).hexdigest()[:16] != sha256:
        raise ValueError(f"{name} is not the text that was annotated")


def medication_part(document: Document) -> Document:
    """The same text as if there were no labels but those of medication."""
    return replace(
        document,
        entities=tuple(entity for entity in document.entities if entity.label in MEDICATION),
        labels=None if document.labels is None else document.labels & MEDICATION,
    )


def words(documents: Iterable[Document], diseases: Iterable[Document]) -> dict[str, Sequence[str]]:
    """Names of problems, tests and treatments for the synthetic prose, by rule of its grammar."""
    found: dict[str, Counter[str]] = {name: Counter() for name in ("PROBLEM", "TEST", "TREATMENT")}
    for document in documents:
        for label, name in _names(document):
            if label in found:
                found[label][name] += 1
    for document in diseases:
        found["PROBLEM"].update(name for label, name in _names(document) if label == "DISEASE")
    return {f"corpus_{label.lower()}": sorted(names) for label, names in found.items()}


def _names(document: Document) -> Iterator[tuple[str, str]]:
    for entity in document.entities:
        name = document.text[entity.start : entity.end]
        if len(name) > 3 and len(name.split()) < 5 and re.fullmatch(r"[A-Za-z][A-Za-z' -]+", name):
            yield entity.label, name
