"""The Dockerfile and the conda recipe say what pyproject.toml says, and name what is there."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.support.example_notes import ROOT

from clinspan import __version__
from clinspan.cli.main import main

pytestmark = pytest.mark.skipif(not (ROOT / "recipe").exists(), reason="this is not a checkout")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Installed beside clinspan by pip, by another name by conda.
CONDA_NAMES = {"torch": "pytorch"}


def dockerfile() -> list[str]:
    """The instructions, without comments."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def arguments(name: str) -> list[str]:
    """The words of the last instruction of that name, which are JSON."""
    (*_, line) = [line for line in dockerfile() if line.startswith(f"{name} ")]
    words: list[str] = json.loads(line.removeprefix(name))
    return words


def recipe() -> dict[str, Any]:
    """The conda recipe, its version filled in."""
    yaml = pytest.importorskip("yaml")
    text = (ROOT / "recipe" / "meta.yaml").read_text("utf-8")
    (version,) = re.findall(r'{% set version = "(.+)" %}\n', text)
    text = re.sub(r"{%.*%}\n", "", text).replace("{{ version }}", version).replace("{{ PYTHON }}", "python")
    assert "{{" not in text
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_image_starts_a_command_that_exists() -> None:
    """Entry point and arguments are clinspan's, on the port that is exposed."""
    (command,) = arguments("ENTRYPOINT")
    options = arguments("CMD")
    assert command in PROJECT["scripts"]
    with pytest.raises(SystemExit, match="0"):
        main([*options, "--help"])
    (port,) = re.findall(r"--port=(\d+)", " ".join(options))
    assert f"EXPOSE {port}" in dockerfile()


def test_the_image_is_of_a_python_that_is_supported_and_runs_as_nobody() -> None:
    """The base is a slim image with a version; the last stage has no root and no compiler of ours."""
    lines = dockerfile()
    (python,) = re.findall(r"ARG BASE=python:(3\.\d+)-slim$", "\n".join(lines), re.MULTILINE)
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]
    last = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM")) :]
    assert [line for line in last if line.startswith("USER")] == ["USER 65532:65532"]
    assert not [line for line in last if line.startswith("RUN")]


def test_what_the_image_copies_is_there_and_is_not_ignored() -> None:
    """Every source of a COPY is in the checkout, and `.dockerignore` lets it through."""
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    copied = []
    for line in dockerfile():
        if line.startswith("COPY ") and "--from" not in line:
            copied += shlex.split(line)[1:-1]
    assert set(copied) == set(allowed)
    assert not [name for name in copied if not Path(ROOT, name).exists()]


def test_the_recipe_has_the_projects_name_version_and_commands() -> None:
    """And its licence, summary and addresses."""
    made = recipe()
    assert made["package"] == {"name": PROJECT["name"], "version": __version__}
    commands = dict(line.split(" = ") for line in made["build"]["entry_points"])
    assert commands == PROJECT["scripts"]
    about, urls = made["about"], PROJECT["urls"]
    assert (about["license"], about["summary"]) == (PROJECT["license"], PROJECT["description"])
    assert about["license_file"] == PROJECT["license-files"]
    assert (about["home"], about["doc_url"]) == (urls["Homepage"], urls["Documentation"])


def test_the_recipe_needs_what_pip_installs() -> None:
    """The dependencies and the extra `cpu`; of the extra `export`, what conda may only limit."""
    made = recipe()
    needed = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["cpu"]]
    assert made["requirements"]["run"] == [f"python {PROJECT['requires-python']}", *map(spaced, needed)]
    limits = set(made["requirements"]["run_constrained"])
    assert limits <= set(map(spaced, PROJECT["optional-dependencies"]["export"]))


def spaced(requirement: str) -> str:
    """`numpy>=1.26` as conda writes it."""
    name, version = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()  # type: ignore[union-attr]
    return f"{CONDA_NAMES.get(name, name)} {version}"
