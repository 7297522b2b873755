"""An import, and an extraction, bring little into the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "optimum", "onnx", "huggingface_hub", "requests", "httpx", "pandas"}


def modules_after(code: str) -> set[str]:
    """Top-level modules of a fresh process after some code."""
    script = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_clinspan_does_not_import_onnxruntime() -> None:
    """Imports are free: no session, no library of 60 MB."""
    assert modules_after("import clinspan").isdisjoint({"onnxruntime", *HEAVY})


def test_the_clinical_rules_import_nothing_but_the_standard_library() -> None:
    """Notes and spans of any source can be read without a model, and without numpy."""
    code = "from clinspan.clinical import assertions, regimens, timing\nassertions('no fever', [])"
    assert modules_after(code).isdisjoint({"numpy", "tokenizers", "onnxruntime", *HEAVY})


def test_an_extraction_imports_three_packages_and_no_more() -> None:
    """Whatever else is installed beside it."""
    code = "import clinspan\nassert clinspan.Recognizer.load().recognize('She has pneumonia.')"
    found = modules_after(code)
    assert found.isdisjoint(HEAVY)
    assert {"numpy", "tokenizers", "onnxruntime"} <= found


def test_the_export_command_line_answers_help_without_torch() -> None:
    """`clinspan-export --help` is quick, and works where the extra is missing."""
    assert "torch" not in modules_after("import clinspan_export.cli.main")


@pytest.mark.parametrize("name", ["threading", "os.environ"])
def test_importing_clinspan_changes_nothing(name: str) -> None:
    """No environment variable is set and no thread started."""
    code = {
        "threading": "import threading\nbefore = threading.active_count()\nimport clinspan\n"
        "assert threading.active_count() == before",
        "os.environ": "import os\nbefore = dict(os.environ)\nimport clinspan\nassert dict(os.environ) == before",
    }[name]
    subprocess.run([sys.executable, "-c", code], check=True)
