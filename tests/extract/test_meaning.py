"""`extract --assertion --regimens`, and the same options of a request: what a note says of its spans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clinspan import Recognizer
from clinspan.cli.main import main
from clinspan.serving import RequestLimits, Service

NOTE = "Denies fever. Takes lisinopril 10 mg daily."


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text(NOTE, encoding="utf-8")
    return path


def check(row: dict[str, Any]) -> None:
    """Whether a row says that the fever is denied and the drug taken daily, with places in the note."""
    by_text = {span["text"]: span for span in row["spans"]}
    cue = by_text["fever"]["assertion"]["negated"]
    assert NOTE[cue["start"] : cue["end"]] == cue["text"] == "Denies"
    assert (cue["where"], by_text["fever"]["section"]) == ("before", "none")
    [regimen] = row["regimens"]
    texts = [span["text"] for span in row["spans"]]
    assert texts[regimen["drug"]] == "lisinopril"
    assert [texts[place] for place in regimen["strength"] + regimen["frequency"]] == ["10 mg", "daily"]
    assert regimen["timing"] == [{"text": "daily", "times": 1, "period": 1, "period_unit": "d", "code": "QD"}]


def test_json_lines_carry_assertions_and_regimens(note: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is there only when it was asked for."""
    assert main(["extract", str(note), "-f", "jsonl", "--assertion", "--regimens"]) == 0
    check(json.loads(capsys.readouterr().out))
    assert main(["extract", str(note), "-f", "jsonl"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert "regimens" not in plain
    assert "assertion" not in plain["spans"][0]


def test_the_table_says_what_decided(note: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A remark behind a span, a line for each regimen."""
    assert main(["extract", str(note), "--assertion", "--regimens"]) == 0
    shown = capsys.readouterr().out
    assert "fever  [negated (Denies)]" in shown
    assert "regimen  lisinopril | strength 10 mg | frequency daily" in shown


def test_a_run_is_continued_with_the_same_options(note: Path, tmp_path: Path) -> None:
    """Lines with other fields are not those that the options ask for now."""
    out = tmp_path / "out.jsonl"
    asked = ["extract", str(note), "-f", "jsonl", "-o", str(out), "--assertion"]
    assert main(asked) == 0
    before = out.read_bytes()
    assert main([*asked, "--resume"]) == 0
    assert out.read_bytes() == before
    assert main([*asked, "--regimens", "--resume"]) != 0


def test_other_formats_refuse_the_options(note: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They say what spans mean in a shape of their own, or have no place for it."""
    assert main(["extract", str(note), "-f", "huggingface", "--assertion"]) == 2
    assert "--format table or jsonl" in capsys.readouterr().err


def test_a_request_asks_for_the_same(starter: Recognizer) -> None:
    """True adds the fields, anything but true and false is refused, and whoever runs the service can forbid it."""
    service = Service(starter, RequestLimits())
    answer = service.answer(lambda: {"text": NOTE, "assertion": True, "regimens": True})
    assert answer.status == 200
    check(dict(answer.body))
    assert "regimens" not in service.answer(lambda: {"text": NOTE, "regimens": False}).body
    wrong = service.answer(lambda: {"text": NOTE, "assertion": 1})
    assert (wrong.status, wrong.body["error"]["message"]) == (400, "assertion: expected true or false")
    closed = Service(starter, RequestLimits(options=("threshold",)))
    assert closed.answer(lambda: {"text": NOTE, "assertion": True}).status == 400
