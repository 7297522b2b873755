"""A program frozen by PyInstaller carries the starter and the cues, and reads notes where no Python is."""

from __future__ import annotations

import runpy
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from tests.support.example_notes import ROOT

import clinspan
from clinspan import clinical
from clinspan.cli.main import _MODULES, COMMANDS


def test_the_hook_is_found_by_its_entry_point() -> None:
    """PyInstaller asks for folders; ours holds the hook."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"][
        "pyinstaller40"
    ]
    (folder,) = EntryPoint("hook-dirs", points["hook-dirs"], "pyinstaller40").load()()
    assert Path(folder, "hook-clinspan.py").is_file()


def test_the_hook_names_every_module_that_is_imported_by_its_name() -> None:
    """Of each command and of each public name, wherever it lives."""
    hook = ROOT / "src/clinspan/package/pyinstaller/hook-clinspan.py"
    hidden = set(runpy.run_path(str(hook))["hiddenimports"])
    assert {f"clinspan.cli.{_MODULES.get(name, name)}" for name in COMMANDS} <= hidden
    by_name = {*clinspan._HOMES.values(), *(f"clinspan.clinical.{home}" for home in clinical._HOMES.values())}
    assert by_name
    assert by_name <= hidden


@pytest.mark.slow
def test_a_frozen_program_finds_entities(tmp_path: Path) -> None:
    """As one folder, called with an empty environment."""
    pytest.importorskip("PyInstaller")
    program = tmp_path / "ward.py"
    program.write_text(
        "from clinspan import Recognizer\n"
        "from clinspan.clinical import assertions\n"
        "from contextlib import suppress\n"
        "from clinspan.cli.main import COMMANDS, main\n"
        'note = "Denies fever. Takes aspirin."\n'
        "spans = Recognizer.load().recognize(note)\n"
        "print([span.text for span in spans], assertions(note, spans)[0].negated)\n"
        "for command in COMMANDS:\n"
        "    with suppress(SystemExit):\n"
        '        main([command, "--help"])\n'
        'main(["info"])\n'
    )
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level=ERROR", str(program)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=500)
    frozen = tmp_path / "dist" / "ward" / "ward"
    done = subprocess.run([frozen], env={}, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['fever', 'aspirin'] True\n")
    assert all(f"usage: clinspan {command} " in done.stdout for command in COMMANDS)
    assert '"provider": "CPUExecutionProvider"' in done.stdout
