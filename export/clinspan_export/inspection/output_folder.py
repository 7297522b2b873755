"""Refuse a place for the output that would destroy an input, or something that clinspan did not make."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from clinspan.bundle.manifest import MANIFEST
from clinspan_export.errors import ExportError


def check_target(
    target: Path, inputs: Iterable[str | Path | None], *, force: bool, made_by_us: Iterable[str] = (MANIFEST,)
) -> None:
    """Refuse at once an output that cannot be written at the end, or that would take something with it.

    Args:
        target: folder to make.
        inputs: folders and files that are read; Hub ids and None pass.
        force: a folder that clinspan made may be replaced.
        made_by_us: files that tell such a folder.

    Raises:
        ExportError: it is, holds or lies above an input or the working folder, exists, or cannot be made.
    """
    check_place(target, inputs)
    if target.exists():
        _check_replaceable(target, force, tuple(made_by_us))


def check_place(target: Path, inputs: Iterable[str | Path | None]) -> None:
    """Refuse at once an output that would take an input with it, or that nothing can be written to.

    Raises:
        ExportError: it is, holds or lies above an input or the working folder, or cannot be made.
    """
    place = target.resolve()
    for name in inputs:
        path = None if name is None else Path(name)
        if path is not None and path.exists() and path.resolve().is_relative_to(place):
            relation = "is" if path.resolve() == place else "holds"
            raise ExportError(
                f"{target} {relation} {name}, which this reads: choose another folder for the output"
            )
    if Path.cwd().is_relative_to(place):
        raise ExportError(f"{target} is or holds the folder that you are in: choose another for the output")
    if target.is_symlink() and not target.exists():
        raise ExportError(f"{target} is a link that leads nowhere: choose another folder")
    above = next(folder for folder in place.parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        reason = "no permission to write there" if above.is_dir() else "it is not a folder"
        raise ExportError(f"cannot make {target} in {above}: {reason}")


def _check_replaceable(target: Path, force: bool, made_by_us: tuple[str, ...]) -> None:
    if not force:
        raise ExportError(f"{target} exists already: choose another folder, or --force to replace it")
    if not target.is_dir():
        raise ExportError(f"{target} is a file: expected a folder to make")
    if any(target.iterdir()) and not any((target / name).is_file() for name in made_by_us):
        raise ExportError(
            f"{target} was not made by clinspan (it has no {made_by_us[0]}): --force replaces only what clinspan made"
        )


def check_report(path: Path | None) -> None:
    """Refuse at once a file that could not be written at the end.

    Raises:
        ExportError: it is a folder, or lies where nothing can be written.
    """
    if path is None:
        return
    if path.is_dir():
        raise ExportError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ExportError(f"cannot write {path}: no such folder, or no permission to write there")
