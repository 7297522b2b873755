"""Small models and notes that the tests share. Nothing here needs the network or a corpus."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from clinspan import Recognizer
from clinspan.bundle.loading import STARTER
from tests.support import example_notes
from tests.support.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]  # hooks: pytest finds them by name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the export need its packages; without them they are skipped, not failed."""
    if all(find_spec(package) for package in ("torch", "transformers", "onnx")):
        return
    for item in items:
        if item.get_closest_marker("export"):
            item.add_marker(pytest.mark.skip(reason="the export extra is not installed"))


@pytest.fixture(scope="session")
def starter() -> Recognizer:
    """The bundled model on two workers."""
    return Recognizer.load(threads=2)


@pytest.fixture(scope="session")
def notes() -> list[str]:
    """Our example notes, awkward characters and line ends included."""
    return example_notes.texts()


@pytest.fixture
def copy_starter(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a copy of the bundled model that a test may damage."""

    def copy(name: str = "bundle") -> Path:
        return Path(shutil.copytree(STARTER, tmp_path / name, copy_function=_link))

    return copy


def _link(source: str, target: str) -> None:
    """The weights are not copied; what tests rewrite is."""
    if source.endswith(".onnx"):
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
    else:
        shutil.copy2(source, target)


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of the corpora, which are not part of the project."""
    return folder_from("CLINSPAN_CORPORA")


@pytest.fixture(scope="session")
def checkpoints() -> Path:
    """Folder of fine-tuned checkpoints, which are not part of the project."""
    return folder_from("CLINSPAN_CHECKPOINTS")


def folder_from(variable: str) -> Path:
    """Folder that an environment variable names; skips the test without one."""
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is not set")
    return Path(os.environ[variable])
