"""From texts with labels to a bundle by one command: one label, several, and pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.support import tiny_checkpoints

from clinspan import Classifier
from clinspan.bundle.manifest import open_bundle
from clinspan.text.merge import Scoring
from clinspan_export import ExportError, TextChecks, TextLimits
from clinspan_export.cli.main import main
from clinspan_export.cli.train_texts import by_data
from clinspan_export.texts.text_compare import micro_f1
from clinspan_export.texts.text_export import export_texts

pytestmark = pytest.mark.export
LONG = " ".join(tiny_checkpoints.LINES[1:4])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoints.save(tmp_path_factory.mktemp("base"), "bert-uncased")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def single(count: int) -> list[dict[str, Any]]:
    return [{"text": f"{LONG} {n}", "label": "fever" if n % 2 else "well"} for n in range(count)]


ROWS = {
    "single-label": single(6),
    "multi-label": [{**row, "labels": [[row["label"]], [], ["fever", "well"]][n % 3]} for n, row in enumerate(single(6))],
    "pairs": [{**row, "text": row["label"], "text_pair": row["text"]} for row in single(6)],
}  # fmt: skip


@pytest.mark.parametrize("kind", ROWS)
def test_one_command_leads_from_texts_to_a_bundle(
    kind: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is compared with PyTorch, measured on the development texts, and chooses as the training said."""
    data = write(tmp_path / "train.jsonl", ROWS[kind])
    dev = write(tmp_path / "dev.jsonl", ROWS[kind][:3])
    given = ["train-bundle", str(data), "--dev", str(dev), "--base", str(base), "--out", str(tmp_path / "b")]
    assert main([*given, "--epochs", "1", "--window", "60", "--threads", "1"]) == 0
    out = capsys.readouterr().out
    assert "epoch 1 of 1, score" in out
    assert "clinspan classify --model" in out
    bundle = open_bundle(tmp_path / "b")
    assert isinstance(bundle.head, Scoring)
    assert (bundle.head.problem == "multi-label", bundle.head.pairs) == (
        kind == "multi-label",
        kind == "pairs",
    )
    assert set(bundle.head.thresholds) == ({"fever", "well"} if kind == "multi-label" else set())
    assert bundle.window == 60
    assert bundle.parity["source"] == "dev.jsonl"
    assert bundle.parity["int8"]["f1_loss"] == pytest.approx(
        bundle.parity["fp32"]["f1"] - bundle.parity["int8"]["f1"], abs=1e-6
    )
    assert bundle.evaluation["development"]["texts"] == 3
    row = ROWS[kind][0]
    with Classifier.load(tmp_path / "b", threads=1) as classifier:
        text = (row["text"], row["text_pair"]) if kind == "pairs" else row["text"]
        assert {one.label for one in classifier.classify(text)} == {"fever", "well"}


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        ({"text": "Fever.", "label": "a"}, True),
        ({"text": "Fever.", "labels": ["a"]}, True),
        ({"textContent": "Fever.", "classificationAnnotation": {"displayName": "a"}}, True),
        ({"text": "Fever.", "entities": [], "labels": ["DRUG"]}, False),
        ({"text": "Fever.", "label": [[0, 5, "PROBLEM"]]}, False),
        ({"textContent": "Fever.", "textSegmentAnnotations": []}, False),
        ({"text": "Fever.", "label": []}, False),
    ],
)
def test_the_data_say_whether_they_are_texts_or_entities(
    tmp_path: Path, row: dict[str, Any], texts: bool
) -> None:
    """So that `finetune` and `train-bundle` take both."""
    path = str(write(tmp_path / "a.jsonl", [row]))
    for name in ("finetune", "train-bundle"):
        given = ["--epochs", "2", path]
        assert by_data([name, *given]) == [f"{name}-texts" if texts else name, *given]
        assert by_data([name, *given, "--label-field", "code"])[0] == f"{name}-texts"
    assert by_data(["distil", path]) == ["distil", path]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"text": "a", "label": "x"}, {"text": "a", "text_pair": "b", "label": "y"}],
            "some texts are pairs",
        ),
        ([{"text": "a", "label": "x"}], "1 labels in all: expected two"),
        (
            [{"text": LONG, "text_pair": LONG, "label": label} for label in "xy"],
            "text 1 of the training texts: the first text of the pair has",
        ),
    ],
)
def test_texts_that_cannot_be_trained_on_are_refused(
    rows: list[dict[str, Any]], message: str, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once, and a checkpoint's folder that holds something is left alone."""
    data, out = write(tmp_path / "train.jsonl", rows), tmp_path / "out"
    given = ["finetune", str(data), "--base", str(base), "--window", "60", "--out"]
    assert main([*given, str(out)]) == 1
    assert message in capsys.readouterr().err
    assert main([*given, str(tmp_path)]) == 1
    assert f"{tmp_path} holds" in capsys.readouterr().err


def test_a_development_text_with_a_label_that_training_lacks_is_refused(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a text has one label: no score could count it."""
    data = write(tmp_path / "train.jsonl", single(2))
    dev = write(tmp_path / "dev.jsonl", [{"text": "a", "label": "other"}])
    given = ["finetune", str(data), "--dev", str(dev), "--base", str(base), "--window", "60"]
    assert main([*given, "--out", str(tmp_path / "out")]) == 1
    assert "or one that" in capsys.readouterr().err


def test_lost_f1_is_held_to_a_limit(base: Path, tmp_path: Path) -> None:
    """Of the labels that annotators gave; without them the limit has no meaning."""
    with pytest.raises(ExportError, match="needs --notes with labels"):
        export_texts(str(base), tmp_path / "b", checks=TextChecks(limits=TextLimits(max_f1_loss=0.1)))
    a, b = frozenset("a"), frozenset("ab")
    assert micro_f1([a, b, frozenset()], [a, a, b]) == pytest.approx(2 * 2 / 7)
    assert micro_f1([a, b], [b, a]) == pytest.approx(2 / 3)
