"""The blocks of docs/embed.md run as they stand, each alone, beside a model of a few kilobytes."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from clinspan.cli.main import main
from tests.support.example_notes import NOTE, ROOT
from tests.support.tiny import text_bundles

PAGE = (ROOT / "docs" / "embed.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.split()[1:]
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("clinspan embed")
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model and notes, which is the current one."""
    text_bundles.embedder(tmp_path / "model")
    (tmp_path / "notes").mkdir()
    for name in "ab":
        (tmp_path / "notes" / f"{name}.txt").write_text(NOTE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_a_block_runs_and_says_what_it_should(number: int) -> None:
    """A shape, the two nearest notes with their likeness, and a vector a section."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(PYTHON[number], f"embed.md, block {number}", "exec"), {"__name__": "page"})
    expected = (r"float32 True", r"[abc] -?[01]\.\d+\n[abc] -?[01]\.\d+", r"True")
    assert re.fullmatch(expected[number], said.getvalue().strip())


def test_the_commands_write_their_files(place: Path) -> None:
    """Those that need no other package."""
    assert len(COMMANDS) == 3
    for command in COMMANDS[:2]:
        assert main(command) == 0
    assert {path.name for path in place.glob("vectors.*")} == {
        *("vectors.jsonl", "vectors.jsonl.run", "vectors.npy", "vectors.npy.ids.jsonl"),
    }
