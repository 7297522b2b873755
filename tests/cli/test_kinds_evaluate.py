"""Kinds J, K and O of `clinspan evaluate`: labels that cannot match, a single document, any output encoding."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clinspan.cli.main import main

TEXT = "The patient takes aspirin 81 mg daily for chest pain."
PLACES = {"DRUG": (18, 25), "STRENGTH": (26, 31), "PROBLEM": (42, 52)}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Evaluate on rows of (text, {label: place}); gives the exit code and both streams."""

    def evaluate(*rows: tuple[str, dict[str, tuple[int, int]]], options: str = "") -> tuple[int, str, str]:
        path = tmp_path / "gold.jsonl"
        lines = [
            {"text": text, "entities": [{"start": a, "end": b, "label": x} for x, (a, b) in places.items()]}
            for text, places in rows
        ]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
        code = main(["evaluate", "--gold", str(path), "--threads", "1", *options.split()])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return evaluate


@pytest.mark.parametrize(
    ("labels", "way_out"),
    [
        (("Drug", "Problem"), "--map-gold Drug=DRUG --map-gold Problem=PROBLEM"),
        (("drug",), "--map-gold drug=DRUG"),
        (("Chemical",), "--map-gold ANNOTATED=NAME"),
    ],
)
def test_labels_without_one_in_common_are_an_error(run: Run, labels: tuple[str, ...], way_out: str) -> None:
    """A score of 0.000 would say that the model is bad; the message names the labels of both and the way out."""
    code, out, err = run((TEXT, dict(zip(labels, PLACES.values(), strict=False))))
    assert (code, out) == (1, "")
    assert f"the annotations have the labels {', '.join(labels)}, and the model has DOSAGE, DRUG" in err
    assert way_out in err


def test_a_label_that_the_model_lacks_is_named(run: Run) -> None:
    """With the label that differs in case alone, if there is one."""
    code, out, err = run((TEXT, {"DRUG": (18, 25), "Problem": (42, 52)}))
    assert code == 0
    assert "the model cannot find Problem, which is annotated (but PROBLEM)" in err
    assert "micro" in out


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--label Drg", 1, "--label Drg: neither the annotations nor the model have it"),
        ("--label drug", 1, "--label drug: neither the annotations nor the model have it (but DRUG)"),
        ("--label TEST", 0, "--label TEST: no annotation has it"),
        ("--map DRG=DRUG", 1, "--map DRG=DRUG: the model has no label DRG"),
        ("--map TEST=Tests", 0, "--map TEST=Tests: no annotation has the label Tests"),
        ("--map DRUG=A --map DRUG=B", 1, "DRUG was given before, as DRUG=A"),
        ("--map-gold Drug=DRUG", 1, "--map-gold Drug=DRUG: no annotation has the label Drug (but DRUG)"),
        ("--map-gold DRUG=A --map-gold DRUG=B", 1, "DRUG was given before"),
        ("--threshold DRG=0.5", 1, "unknown label 'DRG'"),
        ("--threshold half", 2, "--threshold half: expected a number"),
        ("--encoding utf-99", 2, "unknown encoding"),
        ("--column 0", 1, "column is 0"),
    ],
)
def test_an_option_that_cannot_apply_is_named(run: Run, options: str, code: int, message: str) -> None:
    """A slip of the pen in an option never ends in a score that means something else."""
    got, _, err = run((TEXT, PLACES), options=options)
    assert got == code
    assert message in err


def test_gold_without_any_annotation_is_an_error(run: Run) -> None:
    """It is rather unannotated than free of findings, unless labels are asked for."""
    code, _, err = run((TEXT, {}), (TEXT, {}))
    assert code == 1
    assert "no annotation in any document" in err
    code, _, err = run((TEXT, {}), options="--label DRUG")
    assert code == 0
    assert "whatever is found is a false alarm" in err


def test_thresholds_and_votes_are_those_of_the_model(run: Run) -> None:
    """A span that scores less is not found; a vote is taken as given."""
    recall = {}
    for threshold in ("0", "DRUG=1"):
        code, out, _ = run((TEXT, PLACES), options=f"--format json --threshold {threshold}")
        assert code == 0
        recall[threshold] = json.loads(out)["by_label"]["exact"]["DRUG"]["recall"]
    assert recall == {"0": 1.0, "DRUG=1": 0.0}
    assert run((TEXT, PLACES), options="--aggregation max")[0] == 0


def test_whitespace_at_the_edges_is_scored_without_and_said(run: Run) -> None:
    """No answer ends in a space; an annotation that does is the annotator's slip."""
    code, out, err = run((TEXT, {"DRUG": (18, 26), "PROBLEM": (41, 52)}), options="--format json")
    assert code == 0
    assert json.loads(out)["micro"]["exact"]["recall"] == 1.0
    assert "2 annotations have whitespace at an end, scored without it" in err


def test_what_no_answer_can_match_is_counted(run: Run) -> None:
    """An edge inside a word is said before somebody wonders about the score."""
    _, _, err = run((TEXT, {"DRUG": (18, 24), "PROBLEM": (42, 52)}))
    assert "1 annotation has an edge inside a word, where no answer can match" in err


def test_a_single_document_gives_no_interval(run: Run) -> None:
    """One draw from one document is that document: its interval would have no width."""
    code, out, _ = run((TEXT, PLACES))
    assert code == 0
    assert "1 document, too few for an interval" in out
    assert "-1.000" not in out
    _, out, _ = run((TEXT, PLACES), options="--format json")
    assert json.loads(out)["micro"]["exact"]["interval"] is None
    _, out, _ = run((TEXT, PLACES), (TEXT, PLACES))
    assert "1.000-1.000" in out


def test_sentences_of_an_unmarked_file_give_an_interval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are drawn as if each stood after -DOCSTART-, from one text."""
    blocks = [
        "Takes O\naspirin B-DRUG\n",
        "No O\nfever O\n",
        "Walks B-DRUG\nhome O\n",
        "Has O\npneumonia B-PROBLEM\n",
    ]
    path = tmp_path / "gold.conll"
    path.write_text("\n".join(blocks), "utf-8")
    assert main(["evaluate", "--gold", str(path), "--threads", "1"]) == 0
    out = capsys.readouterr().out
    assert "1 document of 4 sentences, which the intervals draw" in out
    low, high = out.splitlines()[-3].split()[4].split("-")
    assert float(low) < float(high)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("form", ["table", "json"])
def test_scores_are_written_whatever_the_output_encoding(
    run: Run, monkeypatch: pytest.MonkeyPatch, encoding: str, form: str
) -> None:
    """A label in another script is written in UTF-8, as notes are."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    code, _, err = run(
        (TEXT, {"药物": (18, 25), "DRUG\ud800": (26, 31), "PROBLEM": (42, 52)}),
        options=f"--details --format {form}",
    )
    assert (code, stream.encoding) == (0, "utf-8")
    assert "药物" in err
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    assert ("药物" if form == "table" else "\\u836f") in stream.buffer.getvalue().decode("utf-8")


def test_details_show_kinds_confusions_and_thresholds(run: Run) -> None:
    """A boundary error, a wrong label, a miss and a false alarm, each counted once."""
    gold = {"DRUG": (4, 11), "PROBLEM": (42, 47), "TEST": (26, 31)}
    code, out, _ = run(
        (TEXT, gold), (TEXT, PLACES), options="--details --label DRUG --label PROBLEM --label TEST"
    )
    assert code == 0
    assert "errors: boundary 1, label 1, missed 1, false alarm 1;" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert rows["TEST"][-3:] == ["0", "0.000", "0.000"]
    head, *table = out[out.index("annotated \\ found") :].splitlines()
    confused = dict(
        zip(head.split()[3:], next(row for row in table if row.startswith("TEST")).split()[1:], strict=True)
    )
    assert confused == {"(nothing)": ".", "DRUG": ".", "PROBLEM": ".", "STRENGTH": "1"}
    assert "confirm them on others" in out
