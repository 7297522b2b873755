"""The pages, docstrings and messages are in plain English, and the check that says so works."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "plain_english.py"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    """Load the script, which is not in a package."""
    spec = spec_from_file_location("plain_english", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_turn_is_refused_where_it_should_be_and_nowhere_else(check: ModuleType) -> None:
    """Each turn of the table finds its own example, and lets its harmless neighbour through."""
    for turn in check.TURNS:
        assert turn.instead in {instead for _, _, instead in check.turns_in(turn.refused)}, turn.refused
        assert turn.instead not in {instead for _, _, instead in check.turns_in(turn.allowed)}, turn.allowed


def test_prose_is_read_and_code_is_not(check: ModuleType, tmp_path: Path) -> None:
    """Docstrings, comments and messages are read, across line ends; names in code marks are not."""
    module = tmp_path / "module.py"
    module.write_text(
        '"""What it is."""\n\n\ndef f():\n    """Close; again is\n    no error. `for ever`\n    """\n'
        "    # It waits for\n    # ever.\n    raise ValueError(f'{f} is no PDF')\n",
        encoding="utf-8",
    )
    found = {(line, words) for line, words, _ in check.refused(module)}
    assert found == {(1, "What ..."), (5, "is no"), (5, "again is no"), (8, "for ever"), (10, "is no")}
    page = tmp_path / "page.md"
    page.write_text("fine\n\n```\nis no PDF\n```\nIt `is none` and is none.\n", encoding="utf-8")
    assert [line for line, _, _ in check.refused(page)] == [6]


def test_what_was_clean_stays_clean(check: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The roots of the script hold no refused turn."""
    assert check.main([]) == 0, capsys.readouterr().out
