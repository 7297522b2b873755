"""Get the wheels of a target through pip, which knows indexes, mirrors, proxies and compatibility tags."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from clinspan.errors import MissingDependencyError, PackageError
from clinspan.package.targets import Target


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on disk: project name (normalized), version, file, sha256 in hex."""

    name: str
    version: str
    path: Path
    sha256: str


def runtime_requirements() -> list[str]:
    """List what inference needs, from clinspan's own metadata: its dependencies and the extra `cpu`."""
    found = []
    lines = metadata.requires("clinspan")
    for line in [] if lines is None else lines:
        requirement, _, marker = line.partition(";")
        if not marker or re.fullmatch(r"\s*extra\s*==\s*['\"]cpu['\"]\s*", marker):
            found.append(requirement.strip())
    return found


def resolve(
    requirements: Sequence[str],
    target: Target,
    folder: Path,
    *,
    wheels: Path | None = None,
    dependencies: bool = False,
) -> list[Wheel]:
    """Download wheels for a target into a folder.

    Args:
        requirements: as pip reads them.
        target: where they have to run, which need not be this machine.
        folder: where to put them.
        wheels: take them from this folder instead of an index.
        dependencies: get what the requirements require too. Left out for the runtime: tokenizers requires
            huggingface_hub and its chain, which inference never imports.

    Raises:
        MissingDependencyError: this Python has no pip.
        PackageError: a wheel is missing, or pip failed.
    """
    if importlib.util.find_spec("pip") is None:
        raise MissingDependencyError(
            f"pip is not installed beside {sys.executable}, and it finds the wheels: python -m ensurepip"
        )
    if wheels is not None and not wheels.is_dir():
        raise PackageError(f"{wheels} is not a folder of wheels")
    folder.mkdir(parents=True, exist_ok=True)
    # -P: the current folder may be a bundle's, with a pip.py that somebody else wrote.
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--implementation", "cp"]
    command += ["--dest", str(folder), "--python-version", target.python]
    command += [f"--platform={tag}" for tag in target.platforms]
    command += [] if dependencies else ["--no-deps"]
    command += [] if wheels is None else ["--no-index", "--find-links", str(wheels.resolve())]
    before = set(folder.iterdir())
    done = subprocess.run([*command, *requirements], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackageError(_explain(done.stderr, target, wheels))
    return sorted(
        (read_wheel(path) for path in set(folder.glob("*.whl")) - before), key=lambda wheel: wheel.name
    )


def read_wheel(path: Path) -> Wheel:
    """Read name, version and hash of a wheel from its file."""
    name, version = path.name.split("-")[:2]
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Wheel(re.sub(r"[-_.]+", "-", name).lower(), version, path, digest)


def lock(wheels: Iterable[Wheel]) -> str:
    """Write requirements with one version and one hash each, for `pip install --require-hashes --no-deps`."""
    return "".join(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)


def _explain(stderr: str, target: Target, wheels: Path | None) -> str:
    source = "pip's index" if wheels is None else str(wheels)
    missing = re.search(r"No matching distribution found for (\S+)", stderr)
    if missing is None:
        errors = [line for line in stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
        return f"pip could not get the wheels for {target}: {errors[-1]}"
    message = f"{source} has no wheel of {missing[1]} for {target}"
    if target.service == "lambda" and target.python == "3.11":
        message += (
            ". Lambda runs python3.11 on Amazon Linux 2, whose glibc is too old: choose --python 3.12 or "
            "newer, or `clinspan package container --python 3.11`; --glibc 2.34 packs for python 3.11 on an "
            "operating system of your own"
        )
    return message
