"""The bundled starter model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinspan import Recognizer
from clinspan.bundle.loading import STARTER
from clinspan.documents.find import find
from clinspan.documents.formats import jsonl as own
from clinspan.documents.scores import evaluate

LABELS = (
    "DRUG", "STRENGTH", "FORM", "ROUTE", "DOSAGE", "FREQUENCY", "DURATION", "PROBLEM", "TEST", "TREATMENT",
)  # fmt: skip


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load(threads=1)


def test_labels_in_their_order(recognizer: Recognizer) -> None:
    """The starter's ten labels, in the order they are documented in."""
    assert recognizer.report().labels == LABELS


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        pytest.param(
            "A patient was prescribed Magnesium hydroxide 400mg/5ml suspension PO of total 30ml bid for the next 5 days.",
            [
                ("DRUG", "Magnesium hydroxide"), ("STRENGTH", "400mg/5ml"), ("FORM", "suspension"), ("ROUTE", "PO"),
                ("DOSAGE", "30ml"), ("FREQUENCY", "bid"), ("DURATION", "for the next 5 days"),
            ],
            id="order",
        ),
        pytest.param(
            "The patient presented with chest pain and shortness of breath. A chest X-ray was ordered and revealed "
            "pneumonia. The patient was prescribed antibiotics.",
            [
                ("PROBLEM", "chest pain"), ("PROBLEM", "shortness of breath"), ("TEST", "chest X-ray"),
                ("PROBLEM", "pneumonia"), ("DRUG", "antibiotics"),
            ],
            id="prose",
        ),
    ],
)  # fmt: skip
def test_demonstrations(recognizer: Recognizer, note: str, expected: list[tuple[str, str]]) -> None:
    """The two sentences that the documentation shows give exactly the entities it shows."""
    assert [(span.label, span.text) for span in recognizer.recognize(note)] == expected


@pytest.mark.parametrize(("kind", "exact", "lenient"), [("order", 0.85, 0.93), ("prose", 0.85, 0.93)])
def test_held_out_passages(recognizer: Recognizer, kind: str, exact: float, lenient: float) -> None:
    """Passages written before training and never trained on are read well, not only the two shown."""
    gold = [
        d for d in own.read(Path(__file__).parent / "data/starter_heldout.jsonl") if d.id.startswith(kind)
    ]
    scores = evaluate(gold, find(recognizer, gold), resamples=0)
    assert len(gold) >= 30
    assert scores.micro["exact"].f1 >= exact
    assert scores.micro["lenient"].f1 >= lenient


@pytest.mark.parametrize(
    "note",
    [
        "Hemoglobin 7.2 g/dL, glucose 150 mg/dL, BP 120/80, HR 72.",
        "She walks two miles every day and follows up in 3 weeks.",
        "Apply ice for 20 minutes three times a day.",
        "There is a 6 mm stone; 500 mL of fluid was drained.",
    ],
)
def test_what_only_looks_like_medication(recognizer: Recognizer, note: str) -> None:
    """Laboratory values, habits, visits and measurements give no medication label."""
    assert not [(s.label, s.text) for s in recognizer.recognize(note) if s.label in LABELS[:7]]


def test_fits_in_the_wheel() -> None:
    """The int8 model, a graph and its weights, is at most 25 MB, and it is the only one shipped."""
    files = {file.name: file.stat().st_size for file in (STARTER / "onnx").iterdir()}
    assert set(files) == {"model_int8.onnx", "model_int8.onnx_data"}
    assert sum(files.values()) <= 25e6


def test_card_tells_the_figures_of_this_model() -> None:
    """The model card names the test sets, the licences of the data, and what the model must not be used for."""
    card = (STARTER / "README.md").read_text("utf-8")
    for part in ("ptt test", "PHEE test", "medication lines, test", "CC BY 4.0", "MIT", "must not be used"):
        assert part in card
    assert json.loads((STARTER / "clinspan.json").read_text("utf-8"))["name"] == "clinspan-starter"
