"""A classifier is trained as the runtime reads: windows merged alike, and its checkpoint says how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.support import tiny_checkpoints

from clinspan.documents.labelled import LabelledText
from clinspan.errors import InputError
from clinspan.text.merge import Scoring, merge_logits
from clinspan_export.cli.main import main
from clinspan_export.texts.thresholds import best_threshold, choose_thresholds
from clinspan_export.train.text_finetune import TextRow, _Run, finetune_texts
from clinspan_export.train.text_settings import TextSettings

pytestmark = pytest.mark.export
FILLER = " ".join(tiny_checkpoints.LINES[1:4]) * 2
TRUTH = np.zeros(3, np.float32)
SETTINGS = TextSettings(epochs=8, learning_rate=1e-2, batch_tokens=1600, window=60, patience=8)


def texts(count: int) -> list[LabelledText]:
    """Texts of several windows with one label each."""
    return [
        LabelledText(str(n), f"{FILLER} {n}", frozenset({"fever" if n % 2 else "well"})) for n in range(count)
    ]


@pytest.mark.parametrize("problem", ["single-label", "multi-label"])
@pytest.mark.parametrize("merge", ["mean", "max", "first"])
@pytest.mark.parametrize("scale", ["logits", "probabilities"])
def test_windows_are_merged_in_training_as_in_the_runtime(problem: str, merge: str, scale: str) -> None:
    """The numbers that the loss sees are those that the runtime would give."""
    import torch

    scoring = Scoring(("a", "b", "c"), problem, merge, scale)
    logits = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    windows = tuple(np.zeros((2, 4), np.int64) for _ in range(5))
    rows = [TextRow(windows[:3], (9, 4, 1), TRUTH), TextRow(windows[:2], (5, 5), TRUTH)]
    run = object.__new__(_Run)
    run.scoring = scoring
    run._logits = lambda batch: torch.from_numpy(logits)  # type: ignore[method-assign]
    merged = run._merged(rows)
    if scale == "logits":
        merged = merged.softmax(1) if problem == "single-label" else merged.sigmoid()
    parts = [logits[:3], logits[3:]]
    for row, part, found in zip(rows, parts, merged.numpy(), strict=True):
        assert found == pytest.approx(merge_logits(list(part), row.tokens, scoring), abs=1e-6)


def test_no_text_is_nothing_to_train_on(tmp_path: Path) -> None:
    """And said so."""
    base = tiny_checkpoints.save(tmp_path / "base", "bert-uncased")
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="found no text to train on"):
        finetune_texts([], [], base, tmp_path / "out", scoring=Scoring(("a", "b")), settings=SETTINGS)


def test_a_threshold_is_that_of_the_best_f1() -> None:
    """Beside its slow twin, which tries every score; equal scores are never parted."""
    random = np.random.default_rng(5)
    for _ in range(50):
        scores = np.array(random.integers(0, 8, 20) / 8, dtype=np.float32)
        truth = random.random(20) < 0.4
        if not truth.any():
            continue
        tried = []
        for limit in np.unique(scores):
            found = scores >= limit
            tried.append(2 * (found & truth).sum() / (found.sum() + truth.sum()))
        limit, f1 = best_threshold(scores.astype(np.float32), truth)
        assert f1 == pytest.approx(max(tried))
        found = scores >= limit
        assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) == pytest.approx(f1)


def test_a_rare_label_takes_the_threshold_of_all() -> None:
    """With a handful of texts its own would be chance."""
    scores = np.stack([np.linspace(0, 1, 40), np.linspace(0, 1, 40)], axis=1).astype(np.float32)
    truth = np.zeros((40, 2), bool)
    truth[20:, 0], truth[39, 1] = True, True
    limits = choose_thresholds(scores, truth, ("common", "rare"))
    assert limits["common"] == pytest.approx(best_threshold(scores[:, 0], truth[:, 0])[0])
    assert limits["rare"] == pytest.approx(best_threshold(scores, truth)[0])


def test_the_command_trains_from_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From JSONL to a checkpoint that the exporter takes."""
    base = tiny_checkpoints.save(tmp_path / "base", "bert-uncased")
    for name, count in (("train", 6), ("dev", 2)):
        rows = [{"id": one.id, "text": one.text, "label": min(one.labels)} for one in texts(count)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    arguments = [str(tmp_path / "train.jsonl"), "--dev", str(tmp_path / "dev.jsonl"), "--base", str(base)]
    out = [
        "--out",
        str(tmp_path / "out"),
        "--epochs",
        "2",
        "--window",
        "60",
        "--threads",
        "1",
        "--merge",
        "max",
    ]
    assert main(["finetune-texts", *arguments, *out]) == 0
    assert " of 2, score " in capsys.readouterr().out
    assert (tmp_path / "out" / "model.safetensors").is_file()
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "fever", "1": "well"}
    noted = {"window": 60, "merge": "max", "scale": "logits", "pairs": False, "thresholds": {}}
    assert config["clinspan"] == noted
    assert main(["finetune-texts", str(tmp_path / "missing.jsonl"), *out]) == 1
