"""`clinspan evaluate` of a classifier: what it scores is what the library decides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.tiny import text_bundles

from clinspan import Classifier
from clinspan.cli.main import main
from clinspan.text.merge import Scoring

TEXTS = ["Fever.", "She has pneumonia.", "No pain in the chest.", "Aspirin 81 mg daily."]


def gold(tmp_path: Path, labels: Sequence[Any]) -> Path:
    path = tmp_path / "gold.jsonl"
    rows = [{"text": text, "labels": given} for text, given in zip(TEXTS, labels, strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def evaluated(capsys: pytest.CaptureFixture[str], bundle: Path, path: Path, *more: str) -> dict[str, Any]:
    assert main(["evaluate", "--model", str(bundle), "--gold", str(path), "--format", "json", *more]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_texts_annotated_as_the_model_decides_are_all_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Accuracy and F1 are 1, and with one label changed accuracy is three quarters; the page names every label."""
    bundle = text_bundles.classifier(tmp_path / "b")
    with Classifier.load(bundle) as loaded:
        best = [loaded.classify(text)[0].label for text in TEXTS]
        other = next(label for label in loaded.labels if label != best[0])
    page = tmp_path / "page.html"
    found = evaluated(capsys, bundle, gold(tmp_path, best), "--html", str(page))
    assert found["accuracy"] == found["micro_f1"] == 1.0
    assert all(label in page.read_text(encoding="utf-8") for label in text_bundles.LABELS)
    changed = evaluated(capsys, bundle, gold(tmp_path, [other, *best[1:]]))
    assert changed["accuracy"] == 0.75
    assert main(["evaluate", "--model", str(bundle), "--gold", str(gold(tmp_path, best))]) == 0
    assert "micro F1" in capsys.readouterr().out


def test_thresholds_decide_in_place_of_the_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At a threshold of 0 every label is chosen; one label's own leaves the others alone."""
    bundle = text_bundles.classifier(tmp_path / "b", Scoring(text_bundles.LABELS, "multi-label"))
    path = gold(tmp_path, [["fever"], [], ["fever", "injury"], ["asthma"]])
    everything = evaluated(capsys, bundle, path, "--threshold", "0")
    assert all(one["chosen"] == len(TEXTS) for one in everything["labels"].values())
    own = evaluated(capsys, bundle, path)
    fever = evaluated(capsys, bundle, path, "--threshold", "fever=0")
    assert fever["labels"]["fever"]["chosen"] == len(TEXTS)
    assert fever["labels"]["asthma"] == own["labels"]["asthma"]


def test_numbers_are_scored_as_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model of regression has errors and a correlation, and labels that are not numbers are refused."""
    bundle = text_bundles.classifier(tmp_path / "b", Scoring(("score",), "regression"))
    with Classifier.load(bundle) as loaded:
        exact = [str(loaded.classify(text)[0].score) for text in TEXTS]
    assert evaluated(capsys, bundle, gold(tmp_path, exact))["mean_absolute_error"] < 1e-6
    path = gold(tmp_path, ["high", *exact[1:]])
    assert main(["evaluate", "--model", str(bundle), "--gold", str(path)]) == 1
    assert "is not a number" in capsys.readouterr().err


def test_a_label_that_the_model_lacks_is_said_and_counts_as_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told on standard error."""
    bundle = text_bundles.classifier(tmp_path / "b", Scoring(text_bundles.LABELS, "multi-label"))
    path = gold(tmp_path, [["gout"], [], [], []])
    assert main(["evaluate", "--model", str(bundle), "--gold", str(path), "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert "lacks 1 of the annotated labels" in captured.err
    assert json.loads(captured.out)["labels"]["gout"]["recall"] == 0


@pytest.mark.parametrize(
    ("labels", "more", "code", "said"),
    [
        ([["fever", "injury"], "fever", "fever", "fever"], [], 1, "several labels or none"),
        (["fever"] * 4, ["--details"], 2, "--details is an option for entities"),
        (["fever"] * 4, ["--resamples", "-1"], 2, "--resamples and --seed of 0 or more"),
        (["fever"] * 4, ["--threshold", "gout=0.5"], 1, "gout"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    labels: list[Any],
    more: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Texts with two labels for a model that gives one; options that mean entities; a file without texts."""
    bundle = text_bundles.classifier(tmp_path / "b")
    path = gold(tmp_path, labels)
    assert main(["evaluate", "--model", str(bundle), "--gold", str(path), *more]) == code
    assert said in capsys.readouterr().err
    path.write_text("", encoding="utf-8")
    assert main(["evaluate", "--model", str(bundle), "--gold", str(path)]) == 1
    assert "no text to score" in capsys.readouterr().err
