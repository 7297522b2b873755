"""`clinspan pull`: download a model from the Hub into a folder, with a record of what came."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clinspan.bundle.hub_folder import split_name
from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import PRECISIONS
from clinspan.cli.console import UsageError, named, write_stdout
from clinspan.cli.hub.needed_files import fill
from clinspan.cli.hub.repository import open_repository
from clinspan.errors import BundleError, InputError
from clinspan.strict_json import MAX_JSON_BYTES, Fields, read_bytes
from clinspan.textfiles import write_whole

RECORD = "pulled.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `clinspan pull`."""
    add = parser.add_argument
    add("name", metavar="ORG/NAME[@REVISION]", help="a model on the Hub, and a commit, tag or branch of it")
    add("out", type=Path, metavar="OUT", help="the folder to make")
    add(
        "--precision",
        choices=PRECISIONS,
        help="take this one alone (default: all that a bundle lists; of another ONNX folder the best for a CPU)",
    )
    add("--force", action="store_true", help=f"replace OUT where `clinspan pull` made it ({RECORD} tells)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Download the model, and print its name, its commit and the sha256 of every file."""
    try:
        split_name(options.name)
    except BundleError as error:
        shown = named(options.name)
        raise UsageError(f"{shown} is not a name such as org/name or org/name@revision") from error
    with _new_folder(options.out, force=options.force) as folder:
        repository = open_repository(options.name)
        try:
            fill(folder, repository, options.precision)
        except InputError as error:  # the precision
            raise UsageError(error.reason) from error
        except BundleError as error:  # what it says of the hidden folder is true of the repository
            raise BundleError(error.reason.replace(str(folder), repository.name)) from error
        repository.tidy(folder)
        files = {path: record_file(folder, path).sha256 for path in _files(folder)}
        record = {"name": repository.name, "revision": repository.commit, "sha256": files}
        (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    write_stdout(f"name      {repository.name}\nrevision  {repository.commit}")
    for path, sha256 in files.items():
        write_stdout(f"{sha256}  {path}")


@contextmanager
def _new_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """Yield a folder to fill, which becomes `out` when the block ends; an error leaves nothing behind.

    Raises:
        UsageError: `out` exists, and may not be replaced; or no folder can be made there.
    """
    if out.exists() and not force:
        raise UsageError(f"{out} exists already: choose another folder, or --force to replace it")
    place = out.resolve()
    if Path.cwd().is_relative_to(place):
        raise UsageError(f"{out} is or holds the folder that you are in: choose another for the model")
    strange = _not_pulled(place) if out.exists() else None
    if strange is not None:
        raise UsageError(f"{out} {strange}: --force replaces only what `clinspan pull` made")
    try:
        with write_whole(place) as folder:
            folder.mkdir()
            yield folder
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error


def _not_pulled(folder: Path) -> str | None:
    """Say what in a folder was not made by this command; None for nothing."""
    if not folder.is_dir():
        return "is not a folder"
    try:
        record = Fields.parse(read_bytes(folder / RECORD, MAX_JSON_BYTES), folder / RECORD)
        known = {RECORD, *record.get("sha256", dict)}
    except (OSError, BundleError):
        return f"has no {RECORD} of clinspan" if any(folder.iterdir()) else None
    others = [path for path in _files(folder) if path not in known]
    return f"holds {others[0]}, which {RECORD} does not list" if others else None


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
