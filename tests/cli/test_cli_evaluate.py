"""`clinspan evaluate`, with the bundled starter model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinspan import Recognizer
from clinspan.cli.main import main
from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import jsonl as own

NOTES = (
    "The patient presented with fever and a dry cough. A chest X-ray was ordered and revealed pneumonia.",
    "She has migraines & <severe> nausea. An MRI was normal.",
)


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    """Annotations that are what the model finds, so that every error in a test is one that the test made."""
    path = tmp_path / "gold.jsonl"
    write(path, found())
    return path


def found() -> list[Document]:
    recognizer = Recognizer.load(threads=1)
    return [
        Document(
            f"note {n}", text, tuple(Entity(s.start, s.end, s.label) for s in recognizer.recognize(text))
        )
        for n, text in enumerate(NOTES)
    ]


def write(path: Path, documents: list[Document]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        own.write(documents, stream)


def test_model_against_itself_is_perfect(gold: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model scored on its own answers has F1 1, and the table says so for every label."""
    assert main(["evaluate", "--gold", str(gold), "--threads", "1"]) == 0
    table = capsys.readouterr().out
    assert "macro F1: exact 1.000, lenient 1.000; 2 documents" in table
    assert all(row.split()[3] == "1.000" for row in table.splitlines()[1:3])


def test_json_says_what_was_measured(gold: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON holds scores, intervals and the model that was really in use."""
    assert (
        main(["evaluate", "--gold", str(gold), "--threads", "1", "--format", "json", "--resamples", "50"])
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["micro"]["exact"]["f1"] == 1.0
    assert report["micro"]["exact"]["interval"] == [1.0, 1.0]
    assert report["model"]["provider"] == "CPUExecutionProvider"


def test_json_has_null_for_no_interval(gold: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without resamples an interval is null: NaN is not JSON."""
    assert (
        main(["evaluate", "--gold", str(gold), "--threads", "1", "--format", "json", "--resamples", "0"]) == 0
    )
    out = capsys.readouterr().out
    assert "NaN" not in out
    assert json.loads(out)["micro"]["exact"]["interval"] is None


def test_page_shows_errors_in_their_text(
    gold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page marks what was missed and what is a false alarm, escapes the text, and leaves clean documents out."""
    first, second = found()
    missed = Entity(second.text.index("severe"), second.text.index("severe") + 6, "PROBLEM")
    kept = tuple(e for e in second.entities if e.end <= missed.start)
    write(gold, [first, Document("note <1>", second.text, (*kept, missed))])
    assert (
        main(["evaluate", "--gold", str(gold), "--threads", "1", "--html", str(tmp_path / "page.html")]) == 0
    )
    page = (tmp_path / "page.html").read_text("utf-8")
    assert '<span class="a">severe</span><small class="missed"' in page
    assert '<small class="false-alarm" data-kind="false alarm" data-label="PROBLEM">' in page
    assert "note &lt;1&gt;" in page
    assert "&amp; &lt;" in page
    assert "1 of 2 documents have errors" in page
    assert "dry cough" not in page


def test_labels_are_mapped(gold: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--map` counts a label of the model as another of the annotations."""
    renamed = [
        Document(
            d.id, d.text, tuple(Entity(e.start, e.end, "FINDING") for e in d.entities if e.label == "PROBLEM")
        )
        for d in found()
    ]
    write(gold, renamed)
    arguments = ["evaluate", "--gold", str(gold), "--threads", "1", "--format", "json"]
    assert main(arguments) == 1
    assert "none in common" in capsys.readouterr().err
    for option, pair in (("--map", "PROBLEM=FINDING"), ("--map-gold", "FINDING=PROBLEM")):
        assert main([*arguments, option, pair]) == 0
        assert json.loads(capsys.readouterr().out)["micro"]["exact"]["f1"] == 1.0


def test_broken_gold_fails_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Broken annotations end the command with code 1 and the line, before any model is loaded."""
    path = tmp_path / "gold.jsonl"
    path.write_text(
        '{"id": "1", "text": "Secretword", "entities": [{"start": 0, "end": 99, "label": "X"}]}\n', "utf-8"
    )
    assert main(["evaluate", "--gold", str(path)]) == 1
    message = capsys.readouterr().err
    assert "line 1" in message
    assert "Secretword" not in message
