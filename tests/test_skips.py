"""A skip that nobody listed fails the run, so that no test goes missing unseen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.example_notes import ROOT
from tests.support.skips import LIST, listed

HOOKS = "from tests.support.skips import pytest_make_collect_report, pytest_runtest_makereport\n"
ONE_TEST = "import pytest\n\ndef test_one():\n    pytest.skip('I felt like it')\n"
WHOLE_FILE = "import pytest\n\npytest.importorskip('no_such_package')\n"
LISTED = "import pytest\n\ndef test_one():\n    pytest.skip('no fork on this system')\n"


@pytest.mark.long
@pytest.mark.parametrize(
    ("content", "end"),
    [(ONE_TEST, "I felt like it"), (WHOLE_FILE, "no_such_package"), (LISTED, "")],
    ids=["one-test", "whole-file", "listed"],
)
def test_a_skip_that_is_not_listed_fails_the_run(tmp_path: Path, content: str, end: str) -> None:
    """Of one test, or of a file as it is collected; a listed reason passes."""
    (tmp_path / "conftest.py").write_text(HOOKS)
    (tmp_path / "test_it.py").write_text(content)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode != 0) == bool(end), done.stdout
    assert end in done.stdout


def test_a_reason_is_listed_for_its_files_alone() -> None:
    """The onnx package is missing for the one file that compares with it, and not for the next."""
    reason = "could not import 'onnx': No module named 'onnx'"
    assert listed(LIST.parent / "bundle" / "test_onnx_scan.py", reason)
    assert not listed(LIST.parent / "promises" / "test_fork.py", reason)
