"""A bundle that somebody else made: packing it runs nothing from its folder and takes nothing from outside it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from tests.support.packages import small_wheels

from clinspan.errors import ClinspanError, PackageError
from clinspan.package.functions import package_lambda
from clinspan.package.parts.assemble import Inputs, Stage, add_bytecode
from clinspan.package.parts.resolve import resolve
from clinspan.package.targets import Target, target

OTHER = "x86_64" if platform.machine() in ("aarch64", "arm64") else "arm64"
SECRET = b"PRIVATE-KEY"


@pytest.fixture
def elsewhere() -> Target:
    return target("lambda", arch=OTHER, python="3.13")


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    return small_wheels.stand_in_wheels(tmp_path / "stand-ins", arch=OTHER)


def test_code_in_the_current_folder_does_not_run(
    tmp_path: Path, elsewhere: Target, stand_ins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a pip.py nor a compileall.py, nor a module that these import."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    for name in ("pip", "compileall", "py_compile", "concurrent", "json", "sitecustomize"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / f'RAN_{name}')!r}, 'w')\n")
    monkeypatch.chdir(folder)
    wheels = resolve(["numpy"], elsewhere, tmp_path / "wheels", wheels=stand_ins)
    stage = Stage(tmp_path / "stage")
    stage.add("module.py", b"x = 1\n", "clinspan")
    add_bytecode(stage, sys.executable, prefix="/var/task")
    assert [wheel.name for wheel in wheels] == ["numpy"]
    assert any(path.endswith(".pyc") for path in stage.parts)
    assert list(tmp_path.glob("RAN_*")) == []


@pytest.mark.parametrize("name", ["README.md", "LICENSE-model", "config.json", "NOTICE"])
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_a_link_out_of_the_folder_is_refused(
    tmp_path: Path, elsewhere: Target, stand_ins: Path, name: str, relative: bool
) -> None:
    """It would publish a private file."""
    (tmp_path / "id_ed25519").write_bytes(SECRET)
    bundle = small_wheels.stand_in_bundle(tmp_path / "bundle", "int8")
    (bundle / name).unlink(missing_ok=True)
    (bundle / name).symlink_to("../id_ed25519" if relative else tmp_path / "id_ed25519")
    with pytest.raises(PackageError, match="link out of the bundle's folder"):
        package_lambda(tmp_path / "f.zip", elsewhere, Inputs(model=str(bundle), wheels=stand_ins))
    assert not (tmp_path / "f.zip").exists()


def test_a_tokenizer_behind_a_linked_folder_is_refused(
    tmp_path: Path, elsewhere: Target, stand_ins: Path
) -> None:
    """A link above a file leads out as one in its place does."""
    bundle = small_wheels.stand_in_bundle(tmp_path / "bundle", "int8")
    shutil.move(bundle / "onnx", tmp_path / "private")
    (bundle / "onnx").symlink_to(tmp_path / "private")
    with pytest.raises(ClinspanError):
        package_lambda(tmp_path / "f.zip", elsewhere, Inputs(model=str(bundle), wheels=stand_ins))


def test_a_pipe_and_a_huge_file_are_refused(tmp_path: Path, elsewhere: Target, stand_ins: Path) -> None:
    """Reading the one would never end, and the other would fill the memory."""
    for number, make in enumerate((os.mkfifo, _huge)):
        bundle = small_wheels.stand_in_bundle(tmp_path / f"bundle{number}", "int8")
        make(bundle / "README.md")
        with pytest.raises(ClinspanError, match=r"not a regular file|larger than"):
            package_lambda(tmp_path / "f.zip", elsewhere, Inputs(model=str(bundle), wheels=stand_ins))


def _huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(2**40)


def test_links_inside_the_folder_and_into_the_hubs_blobs_are_followed(
    tmp_path: Path, elsewhere: Target, stand_ins: Path
) -> None:
    """The Hub's cache keeps every file behind such a link."""
    bundle = small_wheels.stand_in_bundle(tmp_path / "models--x" / "snapshots" / "1", "int8")
    (tmp_path / "models--x" / "blobs").mkdir()
    (tmp_path / "models--x" / "blobs" / "abc").write_text("Made by us.")
    (bundle / "README.md").unlink(missing_ok=True)
    (bundle / "README.md").symlink_to("../../blobs/abc")
    (bundle / "NOTICE").symlink_to("README.md")
    package_lambda(tmp_path / "f.zip", elsewhere, Inputs(model=str(bundle), wheels=stand_ins))
    with zipfile.ZipFile(tmp_path / "f.zip") as archive:
        assert archive.read("bundle/README.md") == archive.read("bundle/NOTICE") == b"Made by us."
