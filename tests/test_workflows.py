"""The workflows of the forge and the hooks of pre-commit run what a person runs."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="this is not a checkout")


def test_every_script_that_a_workflow_calls_exists_and_can_be_run() -> None:
    """Continuous integration has no commands of its own that a contributor could not repeat."""
    called = {
        name for file in WORKFLOWS for name in re.findall(r"run: (scripts/[\w-]+)", file.read_text("utf-8"))
    }
    assert called
    for name in called:
        assert os.access(ROOT / name, os.X_OK), f"{name} cannot be run"


def test_every_action_is_held_to_a_commit() -> None:
    """A tag of somebody else's repository can be moved; a commit cannot."""
    used = [name for file in WORKFLOWS for name in re.findall(r"uses: (\S+)", file.read_text("utf-8"))]
    assert used
    assert [name for name in used if not re.search(r"@[0-9a-f]{40}$", name)] == []


def test_the_workflow_tries_every_python_that_the_package_names() -> None:
    """A classifier is a promise: each Python in it has a job."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]
    promised = {text.rpartition(" ")[2] for text in classifiers if re.search(r":: 3\.\d+$", text)}
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    (versions,) = re.findall(r"python: \[(.+)\]", text)
    assert set(re.findall(r"3\.\d+", versions)) == promised


def test_pre_commit_formats_with_the_locked_ruff() -> None:
    """Two versions of a formatter would undo each other's work."""
    (locked,) = re.findall(
        r"^ruff==(\S+)", (ROOT / "requirements" / "ci.lock").read_text("utf-8"), re.MULTILINE
    )
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    (pinned,) = re.findall(r"ruff-pre-commit\n\s+rev: v(\S+)", hooks)
    assert pinned == locked
