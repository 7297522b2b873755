"""clinspan from a zip on the module path, as zipapp makes it: the code and the cues run, a model needs a folder."""

from __future__ import annotations

import subprocess
import sys
import zipapp
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from tests.support.example_notes import EXAMPLES, ROOT

from clinspan.bundle.loading import STARTER


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime as one file."""
    folder = tmp_path_factory.mktemp("zip")
    copytree(
        ROOT / "src/clinspan", folder / "in/clinspan", ignore=ignore_patterns("__pycache__", "*.onnx_data")
    )
    zipapp.create_archive(folder / "in", folder / "clinspan.pyz", main="clinspan.cli.main:main")
    return folder / "clinspan.pyz"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Call the file as a command, away from the checkout."""
    return subprocess.run(
        [sys.executable, "-P", *map(str, command)], capture_output=True, encoding="utf-8", timeout=120
    )


def test_a_zip_reads_a_note_with_a_model_from_a_folder(program: Path) -> None:
    """Its assertions too, whose cues are files inside the zip."""
    done = run(program, "extract", "--assertion", "--model", STARTER, EXAMPLES[2])
    assert done.returncode == 0, done.stderr
    assert "negated" in done.stdout


def test_the_starter_inside_a_zip_is_refused_in_one_line(program: Path) -> None:
    """The message names the place; nothing is unpacked without a word."""
    done = run(program, "extract", EXAMPLES[2])
    assert done.stdout == ""
    assert done.stderr.splitlines() == [f"clinspan: {program / 'clinspan' / 'starter'} is not a folder"]
