"""Write files as a zip: the same files give the same bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_REGULAR = 0o100644 << 16
_UNIX = 3


def write_zip(out: Path, files: Mapping[str, Path | bytes]) -> dict[str, int]:
    """Write a zip with sorted names and fixed times and modes.

    Args:
        out: the file to write or replace.
        files: name in the archive -> file on disk, or its content.

    Returns:
        Compressed size in bytes of each name.
    """
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(files):
            source = files[path]
            data = source.read_bytes() if isinstance(source, Path) else source
            archive.writestr(_entry(path), data, zipfile.ZIP_DEFLATED, 9)
        return {entry.filename: entry.compress_size for entry in archive.infolist()}


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, _EPOCH)
    entry.external_attr = _REGULAR
    entry.create_system = _UNIX
    return entry
