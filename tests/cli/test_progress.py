"""Commands that take long say how far they are, without a terminal too; `--quiet` and short ones say nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.extract.test_pace import clock

from clinspan.cli.main import main
from clinspan.engine import calls
from clinspan.extract import pace

TEXT = "Aspirin 81 mg daily for chest pain."


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each note takes six seconds, as far as the lines of progress can tell."""
    clock(monkeypatch, step=6)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "notes.jsonl"
    rows = [{"id": f"n{number}", "text": TEXT, "entities": []} for number in range(4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Lines of standard error of a command that succeeds."""
    assert main(arguments) == 0
    return capsys.readouterr().err.splitlines()


@pytest.mark.usefixtures("slow")
def test_extract_says_of_how_many_without_a_terminal(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The total is that of all files; the last line has the time that it took."""
    first, *_, last = said(capsys, "extract", str(source))
    assert first.startswith("clinspan: 1 of 4 notes, ")
    assert " notes/s, " in first
    assert first.endswith(" left")
    assert last.startswith("clinspan: 4 notes in ")


@pytest.mark.usefixtures("slow")
def test_a_resumed_run_counts_what_is_left(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Notes of the earlier run are neither in the count nor in the total."""
    out = tmp_path / "out.jsonl"
    begun = tmp_path / "begun.jsonl"
    said(capsys, "extract", str(source), "-o", str(out), "-f", "jsonl")
    lines = out.read_bytes().splitlines(keepends=True)
    begun.write_bytes(out.read_bytes())
    out.write_bytes(b"".join(lines[:1]))
    found = said(capsys, "extract", str(source), "-o", str(out), "-f", "jsonl", "--resume")
    assert any(line.startswith("clinspan: 1 of 3 notes, ") for line in found)
    assert out.read_bytes() == begun.read_bytes()


@pytest.mark.usefixtures("slow")
def test_evaluate_says_how_far_it_is(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the annotated documents."""
    gold = source.with_name("gold.jsonl")
    rows = [{"text": TEXT, "entities": [{"start": 0, "end": 7, "label": "DRUG"}]}] * 3
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = said(capsys, "evaluate", "--gold", str(gold), "--resamples", "0")
    assert any(line.startswith("clinspan: 1 of 3 notes, ") for line in found)
    assert not any(" notes, " in line for line in said(capsys, "evaluate", "--gold", str(gold), "--quiet"))


@pytest.mark.usefixtures("slow")
def test_a_long_note_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its windows; `--quiet` leaves that out too."""
    monkeypatch.setattr(calls, "_LONG", 0.0)
    note = tmp_path / "long.txt"
    note.write_text(f"{TEXT}\n\n" * 200, encoding="utf-8")
    lines = said(capsys, "extract", str(note))
    assert lines[0].startswith("clinspan: note 1: 1 of ")
    assert said(capsys, "extract", str(note), "--quiet") == []


def test_what_is_soon_over_says_nothing(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe's standard error stays empty."""
    assert pace.PATIENCE >= 3
    assert said(capsys, "extract", str(source)) == []


@pytest.mark.usefixtures("slow")
def test_failed_notes_are_known_by_their_place(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An id may be a field of the note, with a name in it: the closing report has the line's number."""
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"id": "Jane Q Public", "text": 7}) + "\n", encoding="utf-8")
    assert main(["extract", str(path), "--on-error", "skip", "-f", "jsonl"]) == 1
    error = capsys.readouterr().err
    assert "bad.jsonl, line 1: " in error
    assert "Public" not in error
