"""Find clinspan's own files, however it was installed, and make a wheel of them."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from importlib import metadata
from pathlib import Path, PurePosixPath

import clinspan
from clinspan.errors import PackageError
from clinspan.package.parts.archive import write_zip
from clinspan.package.parts.resolve import Wheel, read_wheel

_DIST_INFO = f"clinspan-{clinspan.__version__}.dist-info"
# What an installer adds to the folder, and RECORD, which is written again.
_INSTALLER_FILES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


def own_files(*, export: bool = False) -> dict[str, Path]:
    """List the files of the installed distribution: path in a package -> path on disk.

    Args:
        export: include `clinspan_export`, whose dependencies the runtime lacks.

    Raises:
        PackageError: clinspan runs from a folder without its metadata.
    """
    files: dict[str, Path] = {}
    for name in ("clinspan", "clinspan_export") if export else ("clinspan",):
        found = importlib.util.find_spec(name)
        if found is None or not found.submodule_search_locations:
            continue
        root = Path(found.submodule_search_locations[0])
        for path in root.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                files[f"{name}/{path.relative_to(root).as_posix()}"] = path
    return files | _metadata_files()


def _metadata_files() -> dict[str, Path]:
    try:
        distribution = metadata.distribution("clinspan")
    except metadata.PackageNotFoundError as error:
        raise PackageError("clinspan is not installed here, only on the path: pip install it") from error
    files = {}
    for entry in () if distribution.files is None else distribution.files:
        place = PurePosixPath(entry.as_posix())
        if place.parts[0].endswith(".dist-info") and place.name not in _INSTALLER_FILES:
            files[f"{_DIST_INFO}/{PurePosixPath(*place.parts[1:])}"] = Path(str(entry.locate()))
    if not any("/licenses/" in name for name in files):
        raise PackageError("clinspan's licence text is not installed: install it again with pip")
    return files


def own_wheel(folder: Path) -> Wheel:
    """Write the installed distribution as a wheel, the same bytes for the same files.

    Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    files: dict[str, Path | bytes] = dict(own_files(export=True))
    lines = []
    for name in sorted(files):
        source = files[name]
        data = source.read_bytes() if isinstance(source, Path) else source
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    record = f"{_DIST_INFO}/RECORD"
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"clinspan-{clinspan.__version__}-py3-none-any.whl"
    write_zip(path, files)
    return read_wheel(path)
