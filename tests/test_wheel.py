"""`pip install "clinspan[cpu]"` gives a stranger a working command line, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.example_notes import EXAMPLES, ROOT

pytestmark = pytest.mark.slow

# Refuses every connection, then runs the command line and shows what it brought into the process.
_OFFLINE = """
import socket, sys
def refuse(*_, **__): raise OSError("no network here")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from clinspan.cli.main import main
code = main(sys.argv[1:])
print(*sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as for a release."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of a new environment that holds the wheel with its `cpu` extra and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", f"{wheel}[cpu]"]
    subprocess.run(command, check=True, capture_output=True)
    return python


def test_the_wheel_is_under_30_megabytes(wheel: Path) -> None:
    """The bundled model included."""
    assert wheel.stat().st_size < 30_000_000


def test_the_wheel_holds_the_model_its_card_and_the_type_marker(wheel: Path) -> None:
    """And no test, no example, no leftover."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {
        "clinspan/py.typed",
        "clinspan/starter/README.md",
        "clinspan/starter/clinspan.json",
        "clinspan/starter/tokenizer.json",
    } <= set(names)
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"clinspan", "clinspan_export"}
    assert not [name for name in names if name.endswith(".pyc")]
    texts = {name for name in names if name.startswith("clinspan/") and name.endswith(".txt")}
    assert texts, "the lists of cues"
    assert {str(Path(name).parent) for name in texts} == {"clinspan/clinical/cues"}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is not a checkout")
def test_the_sdist_holds_every_file_of_the_checkout(tmp_path: Path) -> None:
    """So that its tests, checks and pages can be run from it; only what concerns git and its hosts may be missing."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    files = {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    assert {name for name in files - names if not name.startswith((".ci/", ".git"))} == set()


def test_an_install_extracts_without_network_or_training_libraries(python: Path, tmp_path: Path) -> None:
    """Entities come out; none of the export's packages is there or imported."""
    done = subprocess.run(
        [str(python), "-c", _OFFLINE, "extract", str(EXAMPLES[2])],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 50
    modules = set(done.stderr.split())
    assert modules.isdisjoint({"torch", "transformers", "optimum", "onnx", "huggingface_hub"})


def test_the_export_names_its_extra_where_it_is_missing(python: Path, tmp_path: Path) -> None:
    """One line, no traceback."""
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "config.json").write_text("{}")
    command = [str(python.with_name("clinspan-export")), str(tmp_path / "checkpoint"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert "clinspan[cpu,export]" in done.stderr or "clinspan[export]" in done.stderr
    assert "Traceback" not in done.stderr
