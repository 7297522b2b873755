"""A package's folder takes the place of another package only, and only when asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinspan.errors import PackageError
from clinspan.package.parts.offline import LOCK, new_folder
from clinspan.package.parts.sbom import SBOM


def test_force_replaces_only_a_folder_that_package_made(tmp_path: Path) -> None:
    """Anything else stays, and the error says why."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("1", encoding="utf-8")
    with (
        pytest.raises(PackageError, match="not made by clinspan package"),
        new_folder(tmp_path / "thesis", force=True),
    ):
        pass
    assert (tmp_path / "thesis" / "chapter.txt").is_file()
    for name in (LOCK, SBOM):
        (tmp_path / "thesis" / name).write_text("", encoding="utf-8")
    with new_folder(tmp_path / "thesis", force=True) as folder:
        folder.mkdir()
    assert not list((tmp_path / "thesis").iterdir())


def test_the_folder_that_one_is_in_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one above it; with force too."""
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    for out in (".", "..", str(tmp_path)):
        with (
            pytest.raises(PackageError, match="the folder that you are in"),
            new_folder(Path(out), force=True),
        ):
            pass
