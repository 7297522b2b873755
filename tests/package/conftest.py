"""Real wheels, downloaded once a session, and a package made of them."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from clinspan.package.functions import Package, package_lambda
from clinspan.package.parts.assemble import Inputs
from clinspan.package.parts.resolve import resolve, runtime_requirements
from clinspan.package.targets import PYTHONS, Target, target

RUNNING = "{}.{}".format(*sys.version_info)


@pytest.fixture(scope="session")
def host() -> Target:
    """Lambda, as far as this machine and this Python are Lambda."""
    if RUNNING not in PYTHONS or not sys.platform.startswith("linux"):
        pytest.skip("packages are for Linux and the Pythons that Lambda has")
    return target("lambda", python=RUNNING, glibc=28)


@pytest.fixture(scope="session")
def wheels(host: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real wheels for this machine."""
    folder = tmp_path_factory.mktemp("wheels")
    resolve(runtime_requirements(), host, folder)
    return folder


@pytest.fixture(scope="session")
def package(host: Target, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The starter as a function's zip for this machine, self-tested."""
    out = tmp_path_factory.mktemp("package") / "function.zip"
    return package_lambda(out, host, Inputs(wheels=wheels))


@pytest.fixture(scope="session")
def unpacked(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip as the service unpacks it."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(package.archives[0]) as archive:
        archive.extractall(folder)
    return folder
