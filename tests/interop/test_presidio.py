"""The recognizer inside Presidio's real analyzer."""

from __future__ import annotations

from typing import Any

import pytest

from clinspan import Recognizer
from clinspan.interop.presidio import presidio_recognizer

presidio = pytest.importorskip("presidio_analyzer")
TEXT = "She has pneumonia and takes aspirin 81 mg."

pytestmark = pytest.mark.filterwarnings("ignore")  # of the analyzer's own dependencies


@pytest.fixture(scope="module")
def analyzer(starter: Recognizer) -> Any:
    import spacy
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.nlp = {"en": spacy.blank("en")}  # the analyzer wants tokens; a trained model would be a download
    registry = presidio.RecognizerRegistry(recognizers=[], supported_languages=["en"])
    registry.add_recognizer(presidio_recognizer(starter, labels={"DRUG": "MEDICATION", "PROBLEM": "PROBLEM"}))
    return presidio.AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])


def test_the_analyzer_finds_what_the_model_finds(analyzer: Any, starter: Recognizer) -> None:
    """Under Presidio's names, with the model's offsets and scores; labels that were not asked for stay out."""
    found = sorted((one.start, one.end, one.entity_type, one.score) for one in analyzer.analyze(TEXT, "en"))
    names = {"DRUG": "MEDICATION", "PROBLEM": "PROBLEM"}
    assert found == [
        (span.start, span.end, names[span.label], span.score)
        for span in starter.recognize(TEXT)
        if span.label in names
    ]


def test_the_analyzer_asks_for_some_entities_alone(analyzer: Any) -> None:
    """As its caller may."""
    assert {one.entity_type for one in analyzer.analyze(TEXT, "en", entities=["MEDICATION"])} == {
        "MEDICATION"
    }
