"""Files are written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clinspan.textfiles import write_whole


def as_file(path: Path, text: str) -> None:
    path.write_text(text)


def as_folder(path: Path, text: str) -> None:
    path.mkdir()
    (path / "file").write_text(text)


def content(path: Path) -> str:
    return (path / "file" if path.is_dir() else path).read_text()


@pytest.mark.parametrize("write", [as_file, as_folder])
@pytest.mark.parametrize("before", [None, as_file, as_folder])
def test_what_is_written_whole_takes_its_place(
    tmp_path: Path, write: Callable[[Path, str], None], before: Callable[[Path, str], None] | None
) -> None:
    """A file or a folder appears in a folder that may be new, replaces what stood there, and leaves nothing else."""
    place = tmp_path / "new" / "old"
    if before is not None:
        place.parent.mkdir()
        before(place, "before")
    with write_whole(place) as made:
        write(made, "after")
        assert place.exists() == (before is not None)
    assert content(place) == "after"
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("write", [as_file, as_folder])
def test_what_fails_half_way_changes_nothing(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    """An error inside the block passes through, and the place keeps what it held."""
    place = tmp_path / "place"
    write(place, "before")

    def interrupted() -> None:
        with write_whole(place) as made:
            write(made, "half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert content(place) == "before"
    assert list(tmp_path.iterdir()) == [place]


def test_a_folder_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old folder is put back if the last rename fails."""
    place = tmp_path / "place"
    as_folder(place, "before")
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if target == place and self.name == "place":
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(PermissionError), write_whole(place) as made:
        as_folder(made, "after")
    assert content(place) == "before"
