"""A name on the Hub is read from the local cache, and nothing is downloaded."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from clinspan import BundleError, Recognizer
from clinspan.bundle.hub_folder import cached_folder, hub_cache, is_hub_name

NEWEST, OLDER = "a" * 40, "b" * 40


@pytest.fixture
def cache(copy_starter: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache as huggingface_hub lays it out: files behind links, one commit of two complete."""
    place = tmp_path / "hub" / "models--clinic--tagger"
    (place / "blobs").mkdir(parents=True)
    snapshot = place / "snapshots" / NEWEST
    starter = copy_starter()
    for number, path in enumerate(sorted(p for p in starter.rglob("*") if p.is_file())):
        blob = place / "blobs" / str(number)
        blob.write_bytes(path.read_bytes())
        link = snapshot / path.relative_to(starter)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    (place / "refs").mkdir()
    for name, commit in (("main", NEWEST), ("v0", OLDER), ("odd", "../../.."), ("v1", NEWEST)):
        (place / "refs" / name).write_text(commit, encoding="utf-8")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    return place


@pytest.mark.parametrize("name", ["clinic/tagger", "clinic/tagger@v1", f"clinic/tagger@{NEWEST}"])
def test_a_name_in_the_cache_loads(cache: Path, name: str) -> None:
    """By its newest commit, by a tag and by a commit; it can be sent to other processes as any other."""
    recognizer = Recognizer.load(name, threads=1)
    assert recognizer.recognize("She has pneumonia.")[0].text == "pneumonia"
    assert pickle.loads(pickle.dumps(recognizer)).recognize("She has pneumonia.")


@pytest.mark.parametrize(
    "name",
    ["clinic/other", "clinic/tagger@v0", "clinic/tagger@v2", "clinic/tagger@odd", f"clinic/tagger@{OLDER}"],
)
def test_a_name_that_is_not_there_says_what_brings_it(cache: Path, name: str) -> None:
    """A repository, a revision or a commit that the cache lacks, and a reference that leads out of it."""
    with pytest.raises(BundleError, match=f"hf download clinic/{name[7:].partition('@')[0]}"):
        Recognizer.load(name)


def test_a_folder_of_that_name_is_read_first(
    cache: Path, copy_starter: Callable[..., Path], tmp_path: Path
) -> None:
    """A path that is there is a path."""
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic" / "tagger").mkdir()
    assert not is_hub_name("clinic/tagger")
    with pytest.raises(BundleError, match="not a model folder"):
        Recognizer.load("clinic/tagger")


@pytest.mark.parametrize("name", ["../tagger", "clinic/..", "clinic/tagger@../..", "a/b/c", "tagger", "/a/b"])
def test_names_that_could_leave_the_cache_are_not_names(name: str) -> None:
    """Nothing but letters, digits, dots, hyphens and underscores, and never a dot first."""
    assert not is_hub_name(name)
    with pytest.raises(BundleError, match="not a name"):
        cached_folder(name)


def test_the_cache_is_where_huggingface_hub_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of huggingface_hub, in its order."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert hub_cache() == Path("~/.cache/huggingface/hub").expanduser()
    monkeypatch.setenv("HF_HOME", "/somewhere")
    assert hub_cache() == Path("/somewhere/hub")
    monkeypatch.setenv("HF_HUB_CACHE", "/elsewhere")
    assert hub_cache() == Path("/elsewhere")
