"""The public face of the exporter: few names, and an import that costs and changes nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import clinspan_export


def run(code: str) -> list[str]:
    """Words that a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("module", ["clinspan_export", "clinspan_export.cli.main"])
def test_an_import_changes_no_environment_and_loads_no_torch(module: str) -> None:
    """Variables are written where onnxruntime is really imported; `--help` needs neither of the libraries."""
    code = (
        f"import os, sys\nbefore = dict(os.environ)\nimport {module}\nassert dict(os.environ) == before\n"
        "print(*{'torch', 'transformers', 'optimum', 'onnx', 'onnxruntime'} & set(sys.modules))"
    )
    assert run(code) == []


def test_an_import_of_the_package_loads_nothing_else() -> None:
    """The public names come when they are asked for."""
    assert run("import sys, clinspan_export\nprint(*{'numpy', 'clinspan'} & set(sys.modules))") == []


@pytest.mark.parametrize("name", clinspan_export.__all__)
@pytest.mark.parametrize("first", ["", "import clinspan_export.exporter, clinspan_export.cli.export\n"])
def test_a_public_name_is_a_function_or_a_class(name: str, first: str) -> None:
    """Never a module of the same name, whichever was imported first."""
    code = f"{first}import types\nfrom clinspan_export import {name}\nprint(type({name}) is types.ModuleType)"
    assert run(code) == ["False"]


def test_an_unknown_name_is_refused() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="has no attribute 'exports'"):
        clinspan_export.exports  # noqa: B018


@pytest.mark.export
def test_onnxruntime_is_told_to_collect_nothing_before_it_is_imported() -> None:
    """It reads the variable once; a value that the user set stays."""
    code = "from clinspan_export.quiet import import_onnxruntime\nimport os\nimport_onnxruntime()\n"
    assert run(f"{code}print(os.environ['ORT_DISABLE_TELEMETRY'])") == ["1"]
    kept = f"import os\nos.environ['ORT_DISABLE_TELEMETRY'] = '0'\n{code}"
    assert run(f"{kept}print(os.environ['ORT_DISABLE_TELEMETRY'])") == ["0"]
