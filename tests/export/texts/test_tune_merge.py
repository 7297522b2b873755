"""Where windows of long texts are better merged another way, `--tune` says so, and the bundle keeps it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.support.example_notes import texts as example_texts
from tests.support.tiny import text_bundles

from clinspan import Classifier
from clinspan.bundle.manifest import Bundle, open_bundle
from clinspan.documents.labelled import LabelledText
from clinspan.text.merge import MERGES, SCALES, Scoring, Vectors
from clinspan_export import ExportError
from clinspan_export.cli.main import main
from clinspan_export.texts.tune_merge import tune_merge

pytestmark = pytest.mark.export
WORDS = " ".join(example_texts()).split()


def long_texts(count: int) -> list[str]:
    """Texts of several windows, each of other words in another order."""
    random = np.random.default_rng(4)
    return [" ".join(random.choice(WORDS, size=int(random.integers(60, 140)))) for _ in range(count)]


def bundle(folder: Path, scoring: Scoring) -> Bundle:
    return open_bundle(text_bundles.classifier(folder, scoring, window=20))


def annotated_by(model: Bundle, texts: list[str]) -> list[LabelledText]:
    """The texts with the labels that a bundle chooses."""
    model.write_manifest()
    with Classifier.load(model.path, threads=1) as classifier:
        answers = list(classifier.pipe(texts))
    return [
        LabelledText(str(at), text, frozenset(one.label for one in scores if one.chosen))
        for at, (text, scores) in enumerate(zip(texts, answers, strict=True))
    ]


def test_a_way_to_merge_that_scores_higher_is_taken(tmp_path: Path) -> None:
    """The labels are those of the highest logits of all windows, and the bundle begins with the mean."""
    texts, wanted = long_texts(60), Scoring(text_bundles.LABELS, merge="max", scale="logits")
    begun = bundle(tmp_path / "b", replace(wanted, merge="mean", scale="probabilities"))
    gold = annotated_by(replace(begun, head=wanted), texts)
    said: list[str] = []
    tuned = tune_merge(begun, gold, source="dev.jsonl", progress=said.append)
    assert tuned.head == wanted
    assert tuned.tuning["chosen"] == {"merge": "max", "scale": "logits", "score": 1.0}
    assert tuned.tuning["default_stays"] is False
    assert tuned.tuning["interval"][0] > 0
    ways = [(row["merge"], row["scale"]) for row in tuned.tuning["table"]]
    assert ways == list(product(MERGES, SCALES))
    assert said[-1] == f"tuning: {tuned.tuning['why']}"


def test_the_default_stays_where_chance_would_do(tmp_path: Path) -> None:
    """On texts that it reads right, and on so few that another way's gain shows nothing."""
    texts, other = long_texts(24), Scoring(text_bundles.LABELS, merge="max", scale="logits")
    begun = bundle(tmp_path / "b", replace(other, merge="mean"))
    tuned = tune_merge(begun, annotated_by(begun, texts), source="d", progress=lambda _: None)
    assert (tuned.head, tuned.tuning["difference"]) == (begun.head, 0)
    wanted, own = (annotated_by(one, texts) for one in (replace(begun, head=other), begun))
    apart = next(a for a, b in zip(wanted, own, strict=True) if a.labels != b.labels)
    few = [apart, *own[:3]]
    tuned = tune_merge(begun, few, source="d", progress=lambda _: None)
    assert tuned.head == begun.head
    assert tuned.tuning["default_stays"] is True


def test_labels_without_thresholds_get_their_own(tmp_path: Path) -> None:
    """Those that training chose stay, as long as the windows are merged as in training."""
    scoring = Scoring(text_bundles.LABELS, "multi-label")
    begun, texts = bundle(tmp_path / "b", scoring), long_texts(40)
    with Classifier.load(begun.path, threads=1) as classifier:
        scores = [{one.label: one.score for one in found} for found in classifier.pipe(texts)]
    middle = {name: float(np.median([one[name] for one in scores])) for name in text_bundles.LABELS}
    chosen = replace(scoring, thresholds=middle)
    gold = annotated_by(replace(begun, head=chosen), texts)
    tuned = tune_merge(begun, gold, source="d", progress=lambda _: None)
    assert isinstance(tuned.head, Scoring)
    assert set(tuned.head.thresholds) == set(text_bundles.LABELS)
    before, after = (
        sum(a.labels == b.labels for a, b in zip(annotated_by(one, texts), gold, strict=True))
        for one in (begun, tuned)
    )
    assert (before < 20, after) == (True, 40)
    trained = replace(begun, head=chosen)
    assert tune_merge(trained, gold, source="d", progress=lambda _: None).head == chosen


def test_what_cannot_be_tuned_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model of numbers or vectors, texts with other labels, and test sets."""
    numbers = bundle(tmp_path / "n", Scoring(("severity",), "regression"))
    vectors = replace(numbers, head=Vectors(3))
    text = [LabelledText("1", "Fever.", frozenset({"x"}))]
    for one in (numbers, vectors):
        with pytest.raises(ExportError, match="needs a model that gives labels"):
            tune_merge(one, text, source="d", progress=lambda _: None)
    with pytest.raises(ExportError, match="d has no label of the model"):
        tune_merge(bundle(tmp_path / "b", Scoring(("a", "b"))), text, source="d", progress=lambda _: None)
    (tmp_path / "test.jsonl").write_text(json.dumps({"text": "Fever.", "label": "x"}), encoding="utf-8")
    given = ["--task", "text-classification", "--tune", str(tmp_path / "test.jsonl")]
    assert main([str(tmp_path / "n"), str(tmp_path / "out"), *given]) == 1
    assert "looks like a test set" in capsys.readouterr().err
