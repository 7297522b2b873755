"""Put the files of a package into a folder, and keep which part of the package each belongs to."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from clinspan import __version__
from clinspan.bundle.integrity import (
    DATA_SUFFIX,
    MAX_TOKENIZER_BYTES,
    record_file,
    record_model,
)
from clinspan.bundle.loading import STARTER
from clinspan.bundle.manifest import Bundle, open_bundle
from clinspan.errors import PackageError
from clinspan.package.parts.inside import read_inside
from clinspan.package.parts.leave_out import left_out
from clinspan.package.parts.own_files import own_files
from clinspan.package.parts.resolve import Wheel
from clinspan.package.targets import Target
from clinspan.strict_json import MAX_JSON_BYTES

MODEL_FOLDER = "bundle"
RECORD = "clinspan-package.json"

# Called with a line of text for each stage.
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The contents of a package, and how it is checked.

    Attributes:
        model: a bundle's folder; None for the starter.
        precision: which of its models; None for the best on CPU.
        wheels: folder to take wheels from without an index; None for pip's index.
        interpreter: Python of the target's version for self-test and bytecode; None to look for one.
        keep: patterns of files to pack although inference never imports them.
        sbom: where to write the bill of materials, besides the package itself.
    """

    model: str | None = None
    precision: str | None = None
    wheels: Path | None = None
    interpreter: str | None = None
    keep: tuple[str, ...] = ()
    sbom: Path | None = None


@dataclass(slots=True)
class Stage:
    """A package as it grows: files in a folder, and the part that each belongs to.

    Attributes:
        root: the folder.
        parts: path inside it -> name of the part.
        left_out: reason -> bytes that were left out for it.
    """

    root: Path
    parts: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    def add(self, path: str, data: bytes, part: str) -> None:
        """Add a file; raises PackageError for a path that leaves the folder or is taken."""
        place = PurePosixPath(path)
        if place.is_absolute() or ".." in place.parts:
            raise PackageError(f"{part} names a file outside its folder: {path}")
        if path in self.parts:
            raise PackageError(f"{part} and {self.parts[path]} both bring {path}")
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        self.parts[path] = part

    def files(self) -> dict[str, Path | bytes]:
        """Map each path inside the package to its file on disk."""
        return {path: self.root / path for path in self.parts}


def add_runtime(stage: Stage, wheels: Iterable[Wheel], *, folder: str = "", keep: Sequence[str] = ()) -> None:
    """Add what inference imports: the wheels' files and clinspan's own, without what `leave_out` names.

    Args:
        stage: the package.
        wheels: of the target.
        folder: where in the package, with a `/` at its end.
        keep: patterns of files that stay whatever the rules say.
    """
    for wheel in wheels:
        with zipfile.ZipFile(wheel.path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            keeps = (*keep, *_linked(archive, names))
            for name in names:
                _add_kept(stage, folder, _installed(name), archive.read(name), wheel.name, keeps)
    for name, source in own_files().items():
        _add_kept(stage, folder, name, source.read_bytes(), "clinspan", keep)


def _add_kept(stage: Stage, folder: str, path: str, data: bytes, part: str, keep: Iterable[str]) -> None:
    rule = left_out(path, keep=keep)
    if rule is None:
        stage.add(f"{folder}{path}", data, part)
    else:
        stage.left_out[rule.reason] = stage.left_out.get(rule.reason, 0) + len(data)


def _linked(archive: zipfile.ZipFile, names: Iterable[str]) -> tuple[str, ...]:
    """Keep onnxruntime's library if its Python module names it; today's module contains it instead."""
    modules = [name for name in names if "/onnxruntime_pybind11_state" in name and name.endswith(".so")]
    linked = any(b"libonnxruntime.so" in archive.read(name) for name in modules)
    return ("onnxruntime/capi/libonnxruntime.so*",) if linked else ()


def _installed(name: str) -> str:
    """Say where an installer puts a wheel's file: `x.data/purelib/` and `x.data/platlib/` are the root."""
    parts = PurePosixPath(name).parts
    in_data = len(parts) > 2 and parts[0].endswith(".data") and parts[1] in ("purelib", "platlib")
    return str(PurePosixPath(*parts[2:])) if in_data else name


def add_model(stage: Stage, bundle: Bundle, precision: str, *, folder: str = "") -> Bundle:
    """Add a bundle with one precision, every file with its hash.

    Returns:
        The bundle as it is in the package.

    Raises:
        PackageError: a file is a link out of the bundle's folder, not a regular file, or too large.
    """
    root = f"{folder}{MODEL_FOLDER}"
    bundle.file(bundle.models[precision])
    weights = {bundle.models[precision].path, bundle.models[precision].path + DATA_SUFFIX}
    names = {bundle.tokenizer.path, *(name for name in weights if (bundle.path / name).is_file())}
    names |= {path.name for path in bundle.path.iterdir() if _goes_along(path) and not path.is_dir()}
    # Weights beside a model have no limit but their recorded size.
    limits = {bundle.tokenizer.path: MAX_TOKENIZER_BYTES, **dict.fromkeys(weights, 2**63)}
    for name in sorted(names):
        part = "model" if name in weights else "tokenizer and labels"
        stage.add(f"{root}/{name}", read_inside(bundle.path, name, limits.get(name, MAX_JSON_BYTES)), part)
    packed = replace(
        bundle,
        path=stage.root / root,
        models={precision: record_model(stage.root / root, bundle.models[precision].path)},
        tokenizer=record_file(stage.root / root, bundle.tokenizer.path),
    )
    packed.write_manifest()
    stage.parts[f"{root}/clinspan.json"] = "tokenizer and labels"
    return packed


def _goes_along(path: Path) -> bool:
    kept = ("config.json", "tokenizer_config.json", "special_tokens_map.json")
    return path.name in kept or path.name.lower().startswith(("readme", "licen", "notice"))


def choose_model(path: str | None, precision: str | None) -> tuple[Bundle, str]:
    """Open the bundle to pack, by default the starter, and choose its precision."""
    bundle = open_bundle(STARTER if path is None else path)
    return bundle, bundle.precision(precision)


def add_bytecode(stage: Stage, interpreter: str, *, prefix: str) -> None:
    """Compile every module for the target's Python.

    A function's folder is read-only: without bytecode each cold start compiles everything, which takes longer than all
    else that it does.

    Args:
        stage: the package.
        interpreter: of the target's version.
        prefix: the folder that tracebacks will name.
    """
    # -P: the current folder may hold a compileall.py that somebody else wrote. Not -I or -E: they would ignore the
    # hash seed, and sets in bytecode are written in hash order.
    command = [interpreter, "-P", "-S", "-s", "-W", "ignore", "-m", "compileall", "-q", "-j", "1"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(stage.root), "-p", prefix, str(stage.root)]
    environment = {"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", "")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise PackageError(f"{interpreter} could not compile the package: {done.stdout.strip()[-500:]}")
    for path in stage.root.rglob("__pycache__/*.pyc"):
        name = path.relative_to(stage.root).as_posix()
        source = str(PurePosixPath(name).parent.parent / f"{path.name.split('.')[0]}.py")
        stage.parts[name] = stage.parts.get(source, "clinspan")


def add_record(
    stage: Stage,
    target: Target,
    wheels: Iterable[Wheel],
    packed: Bundle,
    *,
    facts: Mapping[str, Any],
    folder: str = "",
) -> None:
    """Add a file that lists what the package is made of."""
    record: dict[str, Any] = {
        "clinspan": __version__,
        "target": {"service": target.service, "arch": target.arch, "python": target.python},
        "wheels": [
            {"name": wheel.name, "version": wheel.version, "file": wheel.path.name, "sha256": wheel.sha256}
            for wheel in wheels
        ],
        "model": {"name": packed.name},
        **facts,
    }
    for precision, file in packed.models.items():
        record["model"][precision] = {"path": file.path, "sha256": file.sha256}
        if file.data is not None:
            record["model"][precision]["data"] = {"path": file.data.path, "sha256": file.data.sha256}
    stage.add(f"{folder}{RECORD}", (json.dumps(record, indent=2) + "\n").encode(), "clinspan")
