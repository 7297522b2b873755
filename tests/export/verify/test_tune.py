"""Tuning takes the fastest setting that costs no F1 worth naming, and never looks at a test set."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

from clinspan import Recognizer
from clinspan.bundle.manifest import open_bundle
from clinspan.documents.find import entities
from clinspan.documents.scores import Score, evaluate
from clinspan_export.cli.main import main
from clinspan_export.errors import ExportError
from clinspan_export.verify.report import score_row
from clinspan_export.verify.samples import read_samples
from clinspan_export.verify.tune_windows import Trial, choose, read_tuning_notes

pytestmark = pytest.mark.export


def _trial(window: int, right: int, speed: float, aggregation: str = "first") -> Trial:
    """A trial whose F1 is `right` of 1,000."""
    share = right / 1000
    score = Score(share, share, share, right, 1000, 1000, (math.nan, math.nan))
    return Trial(window, 0, aggregation, score, speed)


def test_fastest_within_the_margin_wins() -> None:
    """Not the best F1, and not the fastest of all."""
    trials = [_trial(510, 700, 9000), _trial(190, 748, 6000), _trial(126, 750, 5000)]
    assert choose(trials, 0.003).window == 190
    assert choose(trials, 0.001).window == 126
    assert choose(trials, 0.1).window == 510


def test_aggregation_of_equally_fast_settings_is_decided_by_f1() -> None:
    """All aggregations share one run of the model, so the better one costs nothing; equals go to the first in order."""
    trials = [
        _trial(190, 748, 6000, "first"),
        _trial(190, 749, 6000, "max"),
        _trial(190, 749, 6000, "average"),
    ]
    assert choose(trials, 0.003).aggregation == "average"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle tuned on notes that carry as gold what the same model finds in windows of 62 tokens."""
    folder = tmp_path_factory.mktemp("tuned")
    source = tiny_checkpoints.save(folder / "checkpoint", "bert-cased")
    assert main([str(source), str(folder / "plain"), "--precision=int8", "--window=62"]) == 0
    notes = [tiny_checkpoints.NOTE, tiny_checkpoints.NOTE[400:] * 2]
    found = Recognizer.load(folder / "plain").pipe(notes, aggregation="max")
    rows = [
        {"text": text, "entities": [{"label": s.label, "start": s.start, "end": s.end} for s in spans]}
        for text, spans in zip(notes, found, strict=True)
    ]
    gold = folder / "dev.jsonl"
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = [f"--tune={gold}", "--tune-margin=0.0001", "--precision=int8"]
    assert main([str(source), str(folder / "out"), *arguments]) == 0
    return folder


def test_choice_is_the_fastest_of_the_best(tuned: Path) -> None:
    """The setting that made the gold scores 1, others less; the bundle's is the fastest of those that score 1."""
    bundle = open_bundle(tuned / "out")
    table = {(row["window"], row["overlap"], row["aggregation"]): row for row in bundle.tuning["table"]}
    assert table[62, 0, "max"]["f1"] == bundle.tuning["best_f1"] == 1.0
    best = [row for row in table.values() if row["f1"] == 1.0]
    assert len(best) < len(table)
    chosen = table[bundle.window, bundle.overlap, bundle.aggregation]
    assert chosen == bundle.tuning["chosen"]
    assert chosen in best
    assert chosen["tokens_per_second"] == max(row["tokens_per_second"] for row in best)


def test_whole_table_is_in_the_bundle(tuned: Path) -> None:
    """Every window, overlap and aggregation has its F1 and speed; the choice and the margin stand beside them."""
    tuning = open_bundle(tuned / "out").tuning
    settings = {(row["window"], row["overlap"], row["aggregation"]) for row in tuning["table"]}
    assert len(settings) == len(tuning["table"]) == 13 * 4
    assert tuning["chosen"] in tuning["table"]
    assert (tuning["margin"], tuning["source"], tuning["notes"]) == (0.0001, "dev.jsonl", 2)
    assert all(row["tokens_per_second"] > 0 for row in tuning["table"])


def test_f1_in_the_table_is_that_of_the_runtime(tuned: Path) -> None:
    """A row's F1 is what the runtime's own spans score with that window, overlap and aggregation."""
    samples = read_samples(tuned / "dev.jsonl")
    table = open_bundle(tuned / "out").tuning["table"]
    row = next(r for r in table if (r["window"], r["overlap"], r["aggregation"]) == (126, 32, "average"))
    recognizer = Recognizer.load(tuned / "out", window=126, overlap=32)
    found = [entities(spans) for spans in recognizer.pipe([s.text for s in samples], aggregation="average")]
    score = evaluate(samples, found, labels=recognizer.report().labels, resamples=0).micro["exact"]
    assert row["f1"] == score_row(score)["f1"]


def test_without_gold_the_default_stands_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """190 tokens without overlap, or what the model can read; the summary says that nothing was tuned."""
    source = tiny_checkpoints.save(tmp_path / "checkpoint", "bert-uncased")
    assert main([str(source), str(tmp_path / "out"), "--precision=int8"]) == 0
    assert open_bundle(tmp_path / "out").window == 126
    assert "126 tokens, overlap 0, aggregation first: not tuned" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "note_id"),
    [("corpus_test.jsonl", "1"), ("Test.jsonl", "1"), ("testset.jsonl", "1"), ("gold.jsonl", "med-test-17")],
)
def test_test_sets_are_refused(tmp_path: Path, name: str, note_id: str) -> None:
    """By the file's name or by an id in it."""
    path = tmp_path / name
    path.write_text(json.dumps({"id": note_id, "text": "Fever.", "entities": []}) + "\n", encoding="utf-8")
    with pytest.raises(ExportError, match="looks like a test set"):
        read_tuning_notes(path)


def test_names_that_only_contain_the_letters_are_accepted(tmp_path: Path) -> None:
    """`latest` and `protest` do not name tests."""
    path = tmp_path / "latest.jsonl"
    path.write_text(json.dumps({"id": "protest-1", "text": "Fever."}) + "\n", encoding="utf-8")
    assert len(read_tuning_notes(path)) == 1


@pytest.mark.parametrize("extra", [[], ["--window=64"]], ids=["no-gold", "window-given"])
def test_tuning_that_cannot_be_is_refused(tmp_path: Path, extra: list[str]) -> None:
    """Notes without entities teach nothing; a window given by hand leaves nothing to choose."""
    source = tiny_checkpoints.save(tmp_path / "checkpoint")
    path = tmp_path / "dev.jsonl"
    path.write_text(json.dumps({"text": "Fever."}) + "\n", encoding="utf-8")
    assert main([str(source), str(tmp_path / "out"), f"--tune={path}", *extra]) == 1
    assert not (tmp_path / "out").exists()
