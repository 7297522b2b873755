"""Every table of figures says which command makes it, and that command exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.example_notes import ROOT
from tests.support.pages import PAGES

from benchmarks.questions import QUESTIONS

_TABLE = re.compile(r"(?:^\|.*\|\n)+", re.MULTILINE)
_HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
# A cell that was measured: a decimal fraction, a number with a unit, or a ratio.
_MEASURED = re.compile(r"\|\s*\**-?[\d,]+(\.\d+|\.?\d* ?(%|x|s|ms|MB|GB))\**[^|]*(?=\|)")
_COMMAND = re.compile(
    r"python -m (?P<module>benchmarks|fuzz|clinspan_export\.starter)(?: (?P<name>[a-z_]+))?"
    r"|(?P<script>scripts/[\w.-]+)"
    r"|clinspan package \w+|shiv -c clinspan|/usr/bin/time"
)


def tables(page: Path) -> Iterator[tuple[str, str]]:
    """Yield (first line, text of its section) for each table of figures on a page."""
    text = page.read_text(encoding="utf-8")
    edges = [0, *(found.start() for found in _HEADING.finditer(text)), len(text)]
    for found in _TABLE.finditer(text):
        if len(_MEASURED.findall(found[0])) >= 3:
            start = max(edge for edge in edges if edge <= found.start())
            stop = min(edge for edge in edges if edge >= found.end())
            yield found[0].splitlines()[0], text[start:stop]


FIGURES = [(page, *table) for page in PAGES for table in tables(page) if page.name != "CHANGELOG.md"]


@pytest.mark.parametrize(
    ("page", "head", "section"),
    FIGURES,
    ids=[f"{page.relative_to(ROOT).as_posix()} {head[:40]}" for page, head, _ in FIGURES],
)
def test_a_table_of_figures_names_the_command_that_makes_it(page: Path, head: str, section: str) -> None:
    """In the same section; a question of the benchmarks or a script is there."""
    found = list(_COMMAND.finditer(section))
    assert found, f"{page.name}: {head}"
    for command in found:
        if command["module"] == "benchmarks" and command["name"]:
            assert command["name"] in {*QUESTIONS, "tables", "targets", "plots"}, command[0]
        if command["script"]:
            assert (ROOT / command["script"]).is_file(), command[0]


def test_there_are_tables_of_figures() -> None:
    """The expressions above find them."""
    assert len(FIGURES) > 25
