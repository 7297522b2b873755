"""The commands of docs/embed.md run as they stand, beside a model of a few kilobytes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.example_notes import NOTE, ROOT
from tests.support.tiny import text_bundles

from clinspan.cli.main import main

PAGE = (ROOT / "docs" / "embed.md").read_text(encoding="utf-8")
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


def test_the_commands_write_their_files(place: Path) -> None:
    """Those that need no other package."""
    assert len(COMMANDS) == 3
    for command in COMMANDS[:2]:
        assert main(command) == 0
    assert {path.name for path in place.glob("vectors.*")} == {
        *("vectors.jsonl", "vectors.jsonl.run", "vectors.npy", "vectors.npy.ids.jsonl"),
    }
