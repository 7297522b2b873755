"""Pages say what the results say, and name commands and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.pages import tables
from benchmarks.questions import QUESTIONS
from benchmarks.run import record
from benchmarks.run.harness import ROOT

MARKDOWN = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted((ROOT / "benchmarks").rglob("*.py"))


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_tables_are_made_from_the_results(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table between marks is what `python -m benchmarks tables --write` writes there."""
    monkeypatch.setattr(record, "RESULTS", ROOT / "benchmarks" / "results")
    made, _ = tables.made()
    shown = tables.shown(page)
    assert shown
    for name, text in shown.items():
        assert text == made[name], f"{name}: run python -m benchmarks tables --write"


@pytest.mark.parametrize("page", [*MARKDOWN, *SOURCES], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_command_that_a_page_names_exists(page: Path) -> None:
    """`python -m benchmarks NAME` is followed by a question, by what makes pages, or by options."""
    text = page.read_text(encoding="utf-8")
    assert not re.findall(
        r"python benchmarks/\S*|python -m benchmarks\.(?!run\.worker|questions\.texts\.(?:recipes|usual))\S*",
        text,
    )
    named = set(re.findall(r"python -m benchmarks ([a-z_]+)", text))
    assert named <= {*QUESTIONS, *command.PAGES}


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_file_of_the_benchmarks_that_a_page_names_exists(page: Path) -> None:
    """A path under `benchmarks/`, wildcards allowed, leads to something."""
    for path in re.findall(r"\bbenchmarks/[\w/*]+(?:\.\w+)?", page.read_text(encoding="utf-8")):
        assert list(ROOT.glob(path)), path


@pytest.mark.export
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_says_how_it_is_asked(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of each question shows its own command."""
    with pytest.raises(SystemExit, match="0"):
        command.main([name, "--help"])
    assert f"python -m benchmarks {name}" in capsys.readouterr().out


def test_a_question_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown name ends with status 2, and the names that there are."""
    assert command.main(["speed"]) == 2
    assert capsys.readouterr().err.startswith("no question speed: expected headline, throughput, ")
