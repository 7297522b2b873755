"""Make the folder that a container and a wheelhouse have in common: wheels, a lock with their hashes, and the bundle.

It installs without an index.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clinspan.errors import PackageError
from clinspan.package.parts import assemble
from clinspan.package.parts.assemble import Inputs, Progress, Stage
from clinspan.package.parts.own_files import own_wheel
from clinspan.package.parts.resolve import Wheel, lock, resolve, runtime_requirements
from clinspan.package.parts.sbom import SBOM, bill_of_materials, write_bill
from clinspan.package.targets import Target
from clinspan.textfiles import write_whole

LOCK = "requirements.lock"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that was made: its path, its wheels, and its bytes in all."""

    path: Path
    wheels: tuple[Wheel, ...]
    size: int


@contextmanager
def new_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """Yield a folder to fill, which becomes `out` when the block ends; an error leaves nothing behind.

    Raises:
        PackageError: `out` exists, and `force` does not say to replace it, or it holds what this did not make.
    """
    if out.exists() and not force:
        raise PackageError(f"{out} exists already: choose another folder, or --force to replace it")
    place = out.resolve()
    if Path.cwd().is_relative_to(place):
        raise PackageError(f"{out} is or holds the folder that you are in: choose another for the output")
    if out.is_dir() and any(out.iterdir()) and not all((out / name).is_file() for name in (LOCK, SBOM)):
        raise PackageError(
            f"{out} was not made by clinspan package (it lacks {LOCK} or {SBOM}): --force replaces only what it made"
        )
    with write_whole(out if out.name else place) as folder:
        yield folder


def fill(
    folder: Path, target: Target, inputs: Inputs, progress: Progress, *, server: str | None = None
) -> list[Wheel]:
    """Add the wheels, the lock, the bundle and the bill of materials.

    Args:
        folder: from `new_folder`.
        target: where it will be installed.
        inputs: model and wheels.
        progress: called with a line of text for each stage.
        server: requirement of the program that serves the function, with its dependencies; None for none.

    Raises:
        PackageError: a wheel is missing.
    """
    bundle, precision = assemble.choose_model(inputs.model, inputs.precision)
    progress(f"resolving wheels for {target}")
    place = folder / "wheels"
    wheels = resolve(runtime_requirements(), target, place, wheels=inputs.wheels)
    if server is not None:
        wheels += resolve([server], target, place, wheels=inputs.wheels, dependencies=True)
    wheels.append(own_wheel(place))
    wheels.sort(key=lambda wheel: wheel.name)
    progress("resolved " + ", ".join(f"{wheel.name} {wheel.version}" for wheel in wheels))
    (folder / LOCK).write_text(lock(wheels))
    packed = assemble.add_model(Stage(folder), bundle, precision)
    bill = bill_of_materials(target.service, wheels, packed)
    (folder / SBOM).write_bytes(bill)
    if inputs.sbom is not None:
        write_bill(inputs.sbom, bill)
    return wheels


def finished(out: Path, wheels: Sequence[Wheel]) -> Folder:
    """Describe a folder that is in its place."""
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return Folder(out, tuple(wheels), size)
