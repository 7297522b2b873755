"""Tuning leaves the default only for a setting whose F1 is higher beyond chance, and never looks at a test set."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

from clinspan import Recognizer
from clinspan.bundle.manifest import open_bundle
from clinspan.documents.document import Document, Entity
from clinspan.documents.find import entities
from clinspan.documents.scores import Score, evaluate
from clinspan_export.cli.main import main
from clinspan_export.errors import ExportError
from clinspan_export.verify.report import score_row
from clinspan_export.verify.samples import read_samples
from clinspan_export.verify.tune_windows import Choice, Found, Trial, choose, decide, read_tuning_notes

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


_NOTES = 40


def _gold(labels: Sequence[str] = ("PROBLEM",)) -> list[Document]:
    """Made-up notes of five entities each."""
    spots = [Entity(10 * at, 10 * at + 5, labels[at % len(labels)]) for at in range(5)]
    return [Document(str(number), "x" * 60, tuple(spots)) for number in range(_NOTES)]


def _run(window: int, speed: float, misses: Sequence[int], gold: Sequence[Document]) -> Found:
    """A setting that misses this number of entities in each note."""
    found = [document.entities[missed:] for document, missed in zip(gold, misses, strict=True)]
    score = evaluate(gold, found, labels=["PROBLEM"], resamples=0).micro["exact"]
    return Trial(window, 0, "first", score, speed), found


def _decide(
    default: Sequence[int], other: Sequence[int], *, notes: int = _NOTES, speed: float = 9000
) -> Choice:
    gold = _gold()[:notes]
    found = [_run(190, 6000, default[:notes], gold), _run(254, speed, other[:notes], gold)]
    return decide(gold, found, found[0][0], 0.003, ["PROBLEM"])


def test_a_setting_that_is_really_better_is_taken() -> None:
    """It finds one entity more in most notes, and in none fewer; even though it is slower."""
    choice = _decide([1] * _NOTES, [0, 0, 0, 1] * (_NOTES // 4), speed=3000)
    assert choice.moves
    assert choice.chosen.window == 254
    assert choice.difference.interval[0] > 0
    assert choice.as_json()["default_stays"] is False
    assert "F1 is 0.0" in str(choice)
    assert "higher with 254 tokens" in str(choice)


def test_a_setting_that_is_better_by_chance_is_not() -> None:
    """It finds more in twelve notes and fewer in ten: the higher F1, and the interval holds 0."""
    better, worse = [1] * 12, [0] * 10
    choice = _decide(better + worse + [0] * 18, [0] * 12 + [1] * 10 + [0] * 18)
    assert choice.contender.window == 254
    assert choice.difference.f1 > 0 > choice.difference.interval[0]
    assert choice.chosen == choice.default
    record = choice.as_json()
    assert record["default_stays"] is True
    assert record["chosen"]["window"] == 190
    assert record["contender"]["window"] == 254
    assert "the default stays, 190 tokens" in record["why"]
    assert "which is not above 0" in record["why"]


def test_a_setting_that_is_only_faster_is_not_taken() -> None:
    """An equal F1 shows no gain, however fast it is; and the default as contender moves nothing."""
    assert _decide([1] * _NOTES, [1] * _NOTES).chosen.window == 190
    own = _decide([0] * _NOTES, [1] * _NOTES)
    assert own.contender == own.default == own.chosen
    assert "no faster setting" in str(own)


def test_a_single_note_shows_nothing() -> None:
    """There is no interval, which JSON cannot hold as a number."""
    choice = _decide([3], [0], notes=1)
    assert choice.chosen.window == 190
    assert choice.as_json()["interval"] == [None, None]
    assert "on a single note" in str(choice)


def test_only_labels_of_the_model_are_compared() -> None:
    """A label that the model does not have would count as missed by both, and widen nothing that it can change."""
    gold = _gold(("PROBLEM", "TEST"))
    found = [_run(190, 6000, [1] * _NOTES, gold), _run(254, 9000, [0] * _NOTES, gold)]
    difference = decide(gold, found, found[0][0], 0.003, ["PROBLEM"]).difference
    assert (difference.first, difference.second) == (found[1][0].score.f1, found[0][0].score.f1)


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
    """The setting that made the gold scores 1, the default less in every note; the bundle's is the fastest of those at 1."""
    bundle = open_bundle(tuned / "out")
    table = {(row["window"], row["overlap"], row["aggregation"]): row for row in bundle.tuning["table"]}
    assert table[62, 0, "max"]["f1"] == bundle.tuning["best_f1"] == 1.0
    best = [row for row in table.values() if row["f1"] == 1.0]
    assert len(best) < len(table)
    chosen = table[bundle.window, bundle.overlap, bundle.aggregation]
    assert chosen == bundle.tuning["chosen"]
    assert chosen in best
    assert chosen["tokens_per_second"] == max(row["tokens_per_second"] for row in best)


def test_the_export_says_why_the_default_stays(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A single note shows nothing: a line of the progress, the summary and `clinspan.json` all say so."""
    gold = tuned / "one.jsonl"
    gold.write_text((tuned / "dev.jsonl").read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
    arguments = [f"--tune={gold}", "--tune-margin=0.0001", "--precision=int8"]
    assert main([str(tuned / "checkpoint"), str(tuned / "stays"), *arguments]) == 0
    bundle, said = open_bundle(tuned / "stays"), capsys.readouterr()
    assert (bundle.window, bundle.overlap, bundle.aggregation) == (190, 0, "first")
    assert bundle.tuning["contender"]["f1"] == 1.0 > bundle.tuning["default"]["f1"]
    assert f"tuning: {bundle.tuning['why']}" in said.err + said.out
    assert "notes of one.jsonl, the default stays" in said.out


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
