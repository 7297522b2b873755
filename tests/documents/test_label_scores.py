"""Scores of labels of texts: figures worked out by hand, and the same as scikit-learn's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from clinspan.documents.label_scores.label_report import as_html, as_json, as_table
from clinspan.documents.label_scores.measures import (
    auroc,
    average_precision,
    measure_labels,
    measure_numbers,
    reliability_of,
)

TRUTH = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], np.bool_)
SCORES = np.array([[0.9, 0.2], [0.4, 0.8], [0.6, 0.8], [0.1, 0.3]])


def test_figures_are_those_worked_out_by_hand() -> None:
    """Three of four annotated labels are chosen and one more; two of four texts are wholly right."""
    found = measure_labels(TRUTH, SCORES, SCORES >= 0.5, ["a", "b"], single=False, resamples=0)
    assert (found.accuracy, found.micro_precision, found.micro_recall, found.micro_f1) == (
        0.5,
        0.75,
        0.75,
        0.75,
    )
    assert (found.labels["a"].f1, found.labels["b"].f1, found.macro_f1) == (0.5, 1.0, 0.75)
    assert (found.labels["a"].auroc, found.labels["b"].auroc) == (0.75, 1.0)
    assert found.labels["a"].average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found.intervals == {}
    assert found.confusions is None


def test_confusions_count_the_annotated_by_row() -> None:
    """A text of the second label that the model gave the first stands in row two, column one."""
    truth = np.array([[1, 0], [0, 1], [0, 1]], np.bool_)
    chosen = np.array([[1, 0], [1, 0], [0, 1]], np.bool_)
    found = measure_labels(truth, np.full((3, 2), 0.5), chosen, ["a", "b"], single=True, resamples=200)
    assert found.confusions is not None
    assert found.confusions.tolist() == [[1, 0], [1, 1]]
    low, high = found.intervals["accuracy"]
    assert 0 <= low < found.accuracy < high <= 1


def test_calibration_is_the_distance_between_sure_and_right() -> None:
    """Answers that are 0.9 sure and right half the time are 0.4 off."""
    bins = reliability_of(np.array([0.9, 0.9, 1.0, 1.0]), np.array([True, False, True, True]))
    assert sum(one.count for one in bins) == 4
    found = measure_labels(
        np.array([[1, 0], [0, 1]], np.bool_), np.array([[0.9, 0.1], [0.9, 0.1]]),
        np.array([[1, 0], [1, 0]], np.bool_), ["a", "b"], single=True, resamples=0,
    )  # fmt: skip
    assert found.calibration_error == pytest.approx(0.4)


def test_a_label_that_the_model_lacks_is_missed_and_not_ranked() -> None:
    """It lowers recall, and has neither an AUROC nor a place in the mean of them."""
    scores = np.column_stack([SCORES[:, 0], np.full(4, np.nan)])
    chosen = np.column_stack([SCORES[:, 0] >= 0.5, np.zeros(4, np.bool_)])
    found = measure_labels(TRUTH, scores, chosen, ["a", "b"], single=False, resamples=0)
    assert found.labels["b"].recall == 0
    assert np.isnan(found.labels["b"].auroc)
    assert found.macro_auroc == found.labels["a"].auroc
    assert json.loads(as_json(found, {}))["labels"]["b"]["auroc"] is None


def test_ranking_is_undefined_without_both_sides() -> None:
    """Where all texts carry a label, or none does, there is nothing to rank."""
    assert np.isnan(auroc(np.ones(3, np.bool_), np.arange(3.0)))
    assert np.isnan(average_precision(np.zeros(3, np.bool_), np.arange(3.0)))


def test_numbers_have_errors_and_a_correlation() -> None:
    """A constant answer correlates with nothing."""
    found = measure_numbers(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0]))
    assert found["mean_absolute_error"] == 1.0
    assert found["root_mean_squared_error"] == pytest.approx((5 / 3) ** 0.5)
    assert found["pearson"] == pytest.approx(np.corrcoef([1, 2, 3], [2, 2, 5])[0, 1])
    assert np.isnan(measure_numbers(np.array([1.0, 2.0]), np.zeros(2))["pearson"])


def test_tables_and_pages_show_every_label_and_obey_none() -> None:
    """A label that is HTML is shown as text."""
    found = measure_labels(TRUTH, SCORES, SCORES >= 0.5, ["<b>", "b"], single=False, resamples=20)
    assert "<b>" in as_table(found)
    assert "mean AUROC" in as_table(found)
    page = as_html(found, "x")
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "<polyline" in page


@pytest.mark.parametrize("seed", range(5))
def test_all_figures_agree_with_scikit_learn(seed: int) -> None:
    """On 300 texts with ties among the scores."""
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is missing")
    rng = np.random.default_rng(seed)
    truth = rng.random((300, 6)) < rng.uniform(0.05, 0.5, 6)
    scores = np.round(np.clip(truth * 0.2 + rng.random((300, 6)) * 0.8, 0, 1), 2).astype(np.float64)
    chosen = scores >= 0.5
    found = measure_labels(truth, scores, chosen, list("abcdef"), single=False, resamples=0)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, chosen))
    for average, f1 in (("micro", found.micro_f1), ("macro", found.macro_f1)):
        assert f1 == pytest.approx(metrics.f1_score(truth, chosen, average=average, zero_division=0))
    assert found.macro_auroc == pytest.approx(metrics.roc_auc_score(truth, scores, average="macro"))
    assert found.macro_average_precision == pytest.approx(
        metrics.average_precision_score(truth, scores, average="macro")
    )
    one, other = truth.argmax(1), scores.argmax(1)
    eye = np.eye(6, dtype=np.bool_)
    single = measure_labels(eye[one], scores, eye[other], list("abcdef"), single=True, resamples=0)
    assert single.confusions is not None
    assert single.confusions.tolist() == metrics.confusion_matrix(one, other, labels=range(6)).tolist()
    assert single.accuracy == pytest.approx(metrics.accuracy_score(one, other))
