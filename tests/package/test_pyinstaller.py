"""A program frozen by PyInstaller carries the starter and the cues, and reads notes where no Python is."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from tests.support.example_notes import ROOT


def test_the_hook_is_found_by_its_entry_point() -> None:
    """PyInstaller asks for folders; ours holds the hook."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"][
        "pyinstaller40"
    ]
    (folder,) = EntryPoint("hook-dirs", points["hook-dirs"], "pyinstaller40").load()()
    assert Path(folder, "hook-clinspan.py").is_file()


@pytest.mark.slow
def test_a_frozen_program_finds_entities(tmp_path: Path) -> None:
    """As one folder, called with an empty environment."""
    pytest.importorskip("PyInstaller")
    program = tmp_path / "ward.py"
    program.write_text(
        "from clinspan import Recognizer\n"
        "from clinspan.clinical import assertions\n"
        "from clinspan.cli.main import main\n"
        'note = "Denies fever. Takes aspirin."\n'
        "spans = Recognizer.load().recognize(note)\n"
        "print([span.text for span in spans], assertions(note, spans)[0].negated)\n"
        'main(["info"])\n'
    )
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level=ERROR", str(program)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=500)
    frozen = tmp_path / "dist" / "ward" / "ward"
    done = subprocess.run([frozen], env={}, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['fever', 'aspirin'] True\n")
    assert '"provider": "CPUExecutionProvider"' in done.stdout
