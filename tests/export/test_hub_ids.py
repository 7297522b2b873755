"""A Hub id in place of a folder: what the Hub's cache holds is exported, at the commit that was asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

pytestmark = pytest.mark.export

NAME = "clinic/tagger"
NEWEST, OLDER = "a" * 40, "b" * 40


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A Hub cache with two commits of one repository, `main` and the tag `v1`, which differ in their labels."""
    repository = tmp_path / "hub" / f"models--{NAME.replace('/', '--')}"
    for commit, reference, label in ((NEWEST, "main", "PROBLEM"), (OLDER, "v1", "FINDING")):
        names = [name.replace("PROBLEM", label) for name in tiny_checkpoints.BIO]
        tiny_checkpoints.save(repository / "snapshots" / commit, labels=names)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / reference).write_text(commit, encoding="utf-8")
    return tmp_path / "hub"


def _export(cache: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clinspan_export", NAME, "bundle", "--precision", "fp32", *options]
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, cwd=cache.parent, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("options", "commit", "label"), [((), NEWEST, "PROBLEM"), (("--revision", "v1"), OLDER, "FINDING")]
)
def test_commit_that_was_asked_for(cache: Path, options: tuple[str, ...], commit: str, label: str) -> None:
    """The bundle has that commit's labels and names the commit."""
    done = _export(cache, *options)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((cache.parent / "bundle/clinspan.json").read_text(encoding="utf-8"))
    assert (manifest["provenance"]["base"], manifest["provenance"]["revision"]) == (NAME, commit)
    config = json.loads((cache.parent / "bundle/config.json").read_text(encoding="utf-8"))
    assert f"B-{label}" in config["id2label"].values()


def test_unknown_commit(cache: Path) -> None:
    """A revision that is not there is refused in one line; no other one is taken instead."""
    done = _export(cache, "--revision", "v2")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"clinspan-export: {NAME}")
    assert not (cache.parent / "bundle").exists()
