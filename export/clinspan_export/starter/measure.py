"""The starter's figures: every test set, both precisions, with intervals, through the runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from clinspan.documents.document import Document
from clinspan.documents.find import find
from clinspan.documents.formats import jsonl
from clinspan.documents.label_scores.measures import calibration_error_of, reliability_of
from clinspan.documents.scores import Evaluation, compare, evaluate
from clinspan.recognizer import Recognizer
from clinspan_export.starter.notes import annotated_notes
from clinspan_export.starter.sources import CLINICAL, medication_lines
from clinspan_export.starter.synthetic import rules

# The two sentences that a model of these labels is expected to read without a fault.
DEMONSTRATIONS = {
    "A patient was prescribed Magnesium hydroxide 400mg/5ml suspension PO of total 30ml bid for the next 5 days.": [
        ("DRUG", "Magnesium hydroxide"), ("STRENGTH", "400mg/5ml"), ("FORM", "suspension"), ("ROUTE", "PO"),
        ("DOSAGE", "30ml"), ("FREQUENCY", "bid"), ("DURATION", "for the next 5 days"),
    ],
    "The patient presented with chest pain and shortness of breath. A chest X-ray was ordered and revealed "
    "pneumonia. The patient was prescribed antibiotics.": [
        ("PROBLEM", "chest pain"), ("PROBLEM", "shortness of breath"), ("TEST", "chest X-ray"),
        ("PROBLEM", "pneumonia"), ("DRUG", "antibiotics"),
    ],
}  # fmt: skip


# Sentences that no template of the starter has; `{}` is an abbreviation.
CARRIERS = {
    "PROBLEM": ("She was told years ago that she has {}.", "Known {}, followed by her own doctor.", "Admitted overnight because of {}."),
    "TEST": ("We went over the {} together.", "The {} from Monday is back.", "An outside {} could not be found."),
    "DRUG": ("He did well once {} was running.", "Given {} on the ward.", "She had a reaction to {} as a girl."),
    "TREATMENT": ("She recovered at home after {}.", "He asked about {} again.", "Scheduled for {} on Friday."),
}  # fmt: skip
WINDOWS = (62, 126, 190, 254)


def test_sets(corpora: Path, data: Path) -> dict[str, list[Document]]:
    """Annotated documents by name of their test set, from the annotations in the folder `data`; none was trained on."""
    passages = list(jsonl.read(data / "starter_heldout.jsonl"))
    annotations, notes = data / "medication_lines_annotations.jsonl", data / "note_annotations.jsonl"
    return {
        "notes, kept aside": annotated_notes(corpora, notes, "kept aside"),
        "notes, development": annotated_notes(corpora, notes, "development"),
        "held-out orders": [d for d in passages if d.id.startswith("order")],
        "held-out prose": [d for d in passages if d.id.startswith("prose")],
        "medication lines, test": medication_lines(corpora, annotations, "test"),
        "medication lines, development": medication_lines(corpora, annotations, "development"),
        "ptt test": list(jsonl.read(corpora / "ptt/ptt_maccrobat_test.jsonl")),
        "MACCROBAT medication test": list(jsonl.read(corpora / "med/med_maccrobat_test.jsonl")),
        "PHEE test": list(jsonl.read(corpora / "med/med_phee_test.jsonl")),
    }


# Test sets with nothing but medication labels, where a model of those alone is compared with the starter.
MEDICATION_SETS = ("held-out orders", "medication lines, test", "PHEE test")

# Labels of the model that a test set counts under another name.
RENAMED: Mapping[str, dict[str, str]] = {"ptt test": {"DRUG": "TREATMENT"}}


def measure(bundle: Path, sets: Mapping[str, Sequence[Document]]) -> dict[str, Any]:
    """Measure every figure, by test set and precision.

    Args:
        bundle: a folder with int8 and fp32 weights.
        sets: from `test_sets`.
    """
    figures: dict[str, Any] = {name: {} for name in sets}
    demonstrations: dict[str, bool] = {}
    for precision in ("int8", "fp32"):
        recognizer = Recognizer.load(bundle, precision=precision)
        for name, documents in sets.items():
            found = find(recognizer, documents, rename=RENAMED.get(name))
            scores = evaluate(documents, found)
            wrong = sum(
                {(e.start, e.end, e.label) for e in entities if e.label in scores.labels}
                != {(e.start, e.end, e.label) for e in document.entities}
                for document, entities in zip(documents, found, strict=True)
            )
            figures[name][precision] = {**_short(scores), "documents_without_error": len(documents) - wrong}
        demonstrations[precision] = all(
            [(span.label, span.text) for span in recognizer.recognize(text)] == expected
            for text, expected in DEMONSTRATIONS.items()
        )
    for by_precision in figures.values():
        by_precision["int8 minus fp32"] = {
            match: round(by_precision["int8"][match]["f1"] - by_precision["fp32"][match]["f1"], 4)
            for match in ("exact", "lenient")
        }
    return {"demonstrations_exact": demonstrations, "test_sets": figures}


def by_window(bundle: Path, documents: Sequence[Document]) -> dict[str, Any]:
    """Exact F1 of PROBLEM, TEST and TREATMENT by the window that the note is read in, in tokens."""
    clinical = [replace(document, labels=CLINICAL) for document in documents]
    found = {}
    for window in WINDOWS:
        with Recognizer.load(bundle, window=window) as recognizer:
            found[f"window_{window}"] = round(
                evaluate(clinical, find(recognizer, clinical)).micro["exact"].f1, 4
            )
    return found


def calibration(bundle: Path, documents: Sequence[Document]) -> dict[str, Any]:
    """Say how far the score of a span is from the share of such spans that are exact, on documents with all ten labels.

    Returns:
        The expected calibration error (ten equal bins, each weighed by its spans) and the bins: score, share exact, spans.
    """
    sure, right = [], []
    with Recognizer.load(bundle) as recognizer:
        for document, spans in zip(documents, recognizer.pipe(d.text for d in documents), strict=True):
            gold = {(entity.start, entity.end, entity.label) for entity in document.entities}
            sure += [span.score for span in spans]
            right += [(span.start, span.end, span.label) in gold for span in spans]
    bins = reliability_of(np.array(sure), np.array(right))
    return {
        "calibration_error": round(calibration_error_of(bins), 4),
        "bins": [[round(one.sure, 3), round(one.right, 3), one.count] for one in bins],
    }


def abbreviations(bundle: Path) -> dict[str, Any]:
    """Put the templates' abbreviations into other sentences: how many are found under their label, and which never."""
    table: dict[str, Any] = {}
    with Recognizer.load(bundle) as recognizer:
        for label, carriers in CARRIERS.items():
            known = sorted(set(rules()[f"abbr_{label.lower()}"]))
            hits = {
                word: sum(_finds(recognizer, carrier, word, label) for carrier in carriers) for word in known
            }
            share = sum(hits.values()) / (len(known) * len(carriers))
            missed = [word for word, count in hits.items() if count == 0]
            table[label] = {
                "abbreviations": len(known),
                "share_found": round(share, 3),
                "never_found": missed,
            }
    return table


def _finds(recognizer: Recognizer, carrier: str, word: str, label: str) -> bool:
    start = carrier.index("{")
    spans = recognizer.recognize(carrier.format(word))
    return any((s.start, s.end, s.label) == (start, start + len(word), label) for s in spans)


def against(bundle: Path, medication: Path, sets: Mapping[str, Sequence[Document]]) -> dict[str, Any]:
    """Measure the cost of the clinical labels to the medication labels, in micro-F1 against a model without them.

    Args:
        bundle: the starter, with int8 and fp32 weights.
        medication: the model of seven labels.
        sets: documents with medication labels alone.

    Returns:
        By set, precision and match: both figures, their difference, and its 95 % interval by paired bootstrap.
    """
    rows: dict[str, Any] = {name: {} for name in sets}
    for precision in ("int8", "fp32"):
        models = [Recognizer.load(folder, precision=precision) for folder in (bundle, medication)]
        for name, documents in sets.items():
            ten, seven = (find(model, documents) for model in models)
            rows[name][precision] = {}
            for match, found in compare(documents, ten, seven).items():
                figures = {"starter": found.first, "medication_only": found.second, "difference": found.f1}
                rows[name][precision][match] = _rounded({**figures, "interval": found.interval})
    return rows


def _short(scores: Evaluation) -> dict[str, Any]:
    """Shorten an evaluation to what a reader wants, rounded."""
    row: dict[str, Any] = {"documents": scores.documents, "unscored": dict(scores.unscored)}
    for match in ("exact", "lenient"):
        row[match] = _rounded(asdict(scores.micro[match]))
        row[match]["macro_f1"] = round(scores.macro_f1[match], 4)
        row[match]["f1_by_label"] = {label: round(s.f1, 4) for label, s in scores.by_label[match].items()}
    return row


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    rounded = dict(row)
    for key, value in row.items():
        if isinstance(value, float):
            rounded[key] = round(value, 4)
        elif isinstance(value, tuple):
            rounded[key] = [round(edge, 4) for edge in value]
    return rounded


def as_markdown(figures: Mapping[str, Any], precision: str = "int8") -> str:
    """Write the figures as a table for the model card."""
    lines = [
        "| test set | documents | exact F1 | 95 % interval | lenient F1 | 95 % interval |",
        "| --- |" + " --- |" * 5,
    ]
    for name, by_precision in figures["test_sets"].items():
        row = by_precision[precision]
        cells = [
            f"{row[m]['f1']:.3f} | {row[m]['interval'][0]:.3f} to {row[m]['interval'][1]:.3f}"
            for m in ("exact", "lenient")
        ]
        lines.append(f"| {name} | {row['documents']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write(path: Path, figures: Mapping[str, Any]) -> None:
    """Write figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
