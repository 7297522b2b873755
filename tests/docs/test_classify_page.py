"""The blocks of docs/classify.md run as they stand, each alone, beside models of a few kilobytes."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from tests.support.example_notes import NOTE, ROOT
from tests.support.tiny import text_bundles

from benchmarks.run import record
from clinspan.cli.main import main
from clinspan.text.merge import Scoring

PAGE = (ROOT / "docs" / "classify.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line.split()[1:] for line in re.findall(r"^clinspan .*$", PAGE, re.MULTILINE)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the models, notes, pairs and annotations that the page names, which is the current one."""
    text_bundles.classifier(tmp_path / "model")
    text_bundles.classifier(tmp_path / "pairs", Scoring(text_bundles.LABELS, pairs=True))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text(NOTE, encoding="utf-8")
    pair = {"text": "No fever.", "text_pair": "Temperature 36.8."}
    (tmp_path / "questions.jsonl").write_text(json.dumps(pair), encoding="utf-8")
    (tmp_path / "gold.jsonl").write_text(json.dumps({"text": NOTE, "label": "fever"}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("number", "lines", "expected"), [(0, 3, r"\w+ [01]\.\d+ (True|False)"), (1, 2, r"\w+")]
)
def test_a_block_runs_and_says_what_it_should(number: int, lines: int, expected: str) -> None:
    """Three labels with their scores, and the best label of each pair."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(PYTHON[number], f"classify.md, block {number}", "exec"), {"__name__": "page"})
    found = said.getvalue().splitlines()
    assert len(found) == lines
    assert all(re.fullmatch(expected, line) for line in found)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_commands_run(command: list[str], place: Path) -> None:
    """Each ends well, and writes the file it names."""
    assert main(command) == 0
    for flag in ("--output", "--html"):
        assert flag not in command or (place / command[command.index(flag) + 1]).is_file()


def test_the_figures_are_those_of_the_result() -> None:
    """Accuracy and agreement on the page are in the file that the command wrote."""
    rows = record.rows("labels_kept_rqe")
    for row in rows.values():
        assert f"{row['accuracy']:.4f}" in PAGE
        assert f"{row['agreement_with_fp32']:.4f}" in PAGE
