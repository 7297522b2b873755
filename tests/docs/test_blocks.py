"""Every Python and JSON block of every page runs, and prints what stands below it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.example_notes import ROOT
from tests.support.pages import PAGES, Block, Program, blocks

ALL = [block for page in PAGES for block in blocks(page)]
# Their models are not the starter: tests of their own run them.
ELSEWHERE = {"docs/embed.md", "docs/classify.md"}
PYTHON = [block for block in ALL if block.language == "python" and block.page not in ELSEWHERE]
LANGUAGES = {"python", "sh", "json", "dockerfile", ""}  # and "py", which the tests of Spark and Ray run
LANGUAGES.add("py")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Block], Program]:
    """Gives the program of a block's page, each in a folder of its own."""
    made: dict[str, Program] = {}

    def of(block: Block) -> Program:
        if block.page not in made:
            made[block.page] = Program(ROOT / block.page, tmp_path_factory.mktemp("page"))
        return made[block.page]

    return of


@pytest.mark.filterwarnings("ignore")  # of other libraries, at import
@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.name)
def test_a_block_runs_after_those_before_it(block: Block, program: Callable[[Block], Program]) -> None:
    """Lines that a reader copies from top to bottom run, and say what the page shows."""
    for name in block.missing:
        pytest.importorskip(name)
    said = program(block).said(block)
    if block.shown is not None:
        assert said == block.shown, "run scripts/outputs.py, and look at what changed"
    yours = 'load("model")' in block.code  # what a model of the reader's own finds cannot be shown
    silent = said == "" or block.shown is not None
    assert silent or block.file or yours, f"{block.name} prints what the page does not show: {said}"


@pytest.mark.parametrize(
    "block", [block for block in ALL if block.language == "json"], ids=lambda block: block.name
)
def test_a_block_of_json_is_json(block: Block) -> None:
    """A request or an answer can be copied into a program."""
    json.loads(block.code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_has_no_block_that_no_test_reads(page: Path) -> None:
    """Its language is one that is run, or the block is an output or a drawing."""
    assert {block.language for block in blocks(page)} <= LANGUAGES
