"""The front page's table can be made by one command, which makes its model and its notes too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.questions import comparison
from benchmarks.run import record
from benchmarks.run.notes import made_notes, read_notes


def test_the_notes_are_forty_from_short_to_long_and_always_the_same(tmp_path: Path) -> None:
    """As long as the notes that the page's figures were measured on."""
    notes = read_notes(str(made_notes(tmp_path / "a")))
    assert notes == read_notes(str(made_notes(tmp_path / "b")))
    lengths = [len(note) for note in notes]
    assert (len(notes), min(lengths), max(lengths)) == (40, 850, 5700)
    assert len(set(notes)) == 40


def test_one_command_makes_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Model, notes, three questions and the table; the project's own results stay as they are."""
    asked = []

    def answer(_: object, settings: dict[str, Any], **__: object) -> dict[str, Any]:
        asked.append((settings["question"], settings["variant"], len(read_notes(settings["notes"]))))
        return {"kchars_per_s": 13.0, "first_spans_s": 0.5, "short": {"p50_ms": 24.0}}

    monkeypatch.setattr(comparison, "headline_model", lambda work: (work / "checkpoint", work / "bundle"))
    monkeypatch.setattr(comparison, "ask", answer)
    monkeypatch.setattr(record, "RESULTS", record.RESULTS)
    comparison.headline(["--work", str(tmp_path), "--rounds", "1", "--variants", "clinspan_int8"])
    assert asked == [(question, "clinspan_int8", 40) for question in ("throughput", "latency", "coldstart")]
    assert "| clinspan int8 | 13.0 | 24 | 0.50 |" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "results").iterdir()} == {f"{name}.json" for name, *_ in asked}
