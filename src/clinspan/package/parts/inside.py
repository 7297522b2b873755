"""Read the files of a bundle that go into a package: those of its own folder, and none that a link puts there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from clinspan.errors import PackageError
from clinspan.strict_json import read_bytes


def read_inside(folder: Path, name: str, limit: int) -> bytes:
    """Read a regular file of a folder, of at most `limit` bytes.

    A package is published, and a bundle may come from elsewhere: a link in it could bring a private file along. Links
    that stay inside the folder are followed, and those of the Hub's cache from `snapshots/X/` to the `blobs/` beside.

    Raises:
        PackageError: it leads out of the folder, or is not a regular file.
        BundleError: it is larger, or cannot be read.
    """
    path = folder / name
    home = folder.resolve()
    homes = [home, home.parent.parent / "blobs"] if home.parent.name == "snapshots" else [home]
    leads_to = Path(os.path.realpath(path))
    if not any(leads_to.is_relative_to(one) for one in homes):
        raise PackageError(
            f"{path} is a link out of the bundle's folder: put the file itself there, or remove it"
        )
    if leads_to.exists() and not stat.S_ISREG(leads_to.stat().st_mode):
        raise PackageError(f"{path} is not a regular file")
    return read_bytes(leads_to, limit)
