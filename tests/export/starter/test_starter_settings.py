"""The numbers that are chosen for the starter on development documents after its training."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

from clinspan.documents.document import Document, Entity

pytestmark = pytest.mark.export

_TEXT = "Aspirin 81 mg daily for chest pain.\nNo fever, ECG normal."


def _checkpoint(folder: Path) -> Path:
    """A checkpoint of the starter's labels with random weights: it marks much, is sure of it, and is never right."""
    from clinspan_export.starter.sources import LABELS
    from clinspan_export.train.windows import bio_classes

    checkpoint = tiny_checkpoints.save(folder / "checkpoint", labels=bio_classes(LABELS))
    from transformers import AutoModelForTokenClassification

    model = AutoModelForTokenClassification.from_pretrained(checkpoint)
    model.classifier.weight.data *= 5
    model.save_pretrained(checkpoint)
    return checkpoint


def _read(checkpoint: Path) -> list[tuple[int, int, str, float]]:
    from transformers import AutoModelForTokenClassification

    from clinspan.text.tokenizer import Tokenizer
    from clinspan_export.starter.sources import LABELS
    from clinspan_export.train.finetune import read_spans
    from clinspan_export.verify.compare import run_torch

    model = AutoModelForTokenClassification.from_pretrained(checkpoint).eval()
    tokenizer = Tokenizer(checkpoint / "tokenizer.json")
    run = partial(run_torch, model, tokenizer)
    (spans,) = read_spans(run, tokenizer, [Document("one", _TEXT, ())], LABELS, 100)
    return [(span.start, span.end, span.label, span.score) for span in spans]


def test_a_model_that_is_too_sure_is_cooled_and_finds_the_same(tmp_path: Path) -> None:
    """Where nothing that it marks is right, the highest temperature is best; places and labels stay, scores fall."""
    from clinspan_export.starter.balance import temper

    checkpoint = _checkpoint(tmp_path)
    before = _read(checkpoint)
    wrong = Document("wrong", _TEXT, (Entity(0, 1, "DRUG"),))
    said: list[str] = []
    assert temper(checkpoint, [wrong], window=100, progress=said.append) == 3.0
    after = _read(checkpoint)
    assert [span[:3] for span in before] == [span[:3] for span in after]
    assert before
    assert all(new[3] < old[3] for new, old in zip(after, before, strict=True))
    assert len(said) == 10


def test_a_model_that_is_right_stays_as_it_is(tmp_path: Path) -> None:
    """Where all that it marks is right, no temperature above 1 is better."""
    from clinspan_export.starter.balance import temper

    checkpoint = _checkpoint(tmp_path)
    before = _read(checkpoint)
    right = Document("right", _TEXT, tuple(Entity(start, end, label) for start, end, label, _ in before))
    assert temper(checkpoint, [right], window=100, progress=lambda _: None) == 1.0
    assert _read(checkpoint) == before


def test_the_calibration_error_is_the_distance_of_scores_from_shares(tmp_path: Path) -> None:
    """Of spans that are all right the error is what their scores lack of 1; of none, the mean score."""
    from clinspan import Recognizer
    from clinspan_export import export
    from clinspan_export.starter.measure import calibration

    bundle = export(
        str(tiny_checkpoints.save(tmp_path / "checkpoint")), tmp_path / "bundle", precisions=("fp32",)
    ).path
    with Recognizer.load(bundle) as recognizer:
        spans = recognizer.recognize(_TEXT)
    mean = sum(span.score for span in spans) / len(spans)
    all_right = Document("right", _TEXT, tuple(Entity(s.start, s.end, s.label) for s in spans))
    assert calibration(bundle, [all_right])["calibration_error"] == pytest.approx(1 - mean, abs=1e-3)
    assert calibration(bundle, [Document("wrong", _TEXT, ())])["calibration_error"] == pytest.approx(
        mean, abs=1e-3
    )
