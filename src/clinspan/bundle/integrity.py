"""The files of a model folder: named inside it, of the recorded size, with the recorded hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

from clinspan.errors import BundleError
from clinspan.strict_json import brief, read_bytes

VERIFY = ("full", "size", "off")

# The weights of model.onnx lie in model.onnx_data, as on the Hub.
DATA_SUFFIX = "_data"

# An .onnx file is one protobuf message, which cannot be longer.
MAX_MODEL_BYTES = 2**31 - 1
# The largest vocabularies in use, of 256,000 entries, take an eighth of this.
MAX_TOKENIZER_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of the bundle: path relative to the folder, size in bytes, sha256 in hex (empty: not known).

    A graph may keep its weights in a file beside it, `data`, which onnxruntime maps instead of copying.
    """

    path: str
    size: int
    sha256: str
    data: FileRecord | None = None


def record_file(folder: Path, path: str) -> FileRecord:
    """Measure and hash a file of a folder."""
    full = folder / path
    with full.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileRecord(path, full.stat().st_size, digest)


def record_model(folder: Path, path: str) -> FileRecord:
    """Measure and hash a graph and, where there is one, the file of weights beside it."""
    record, beside = record_file(folder, path), path + DATA_SUFFIX
    return replace(record, data=record_file(folder, beside)) if (folder / beside).is_file() else record


def whole_size(record: FileRecord) -> int:
    """Bytes of a file and of the weights beside it."""
    return record.size + (0 if record.data is None else record.data.size)


def check_name(path: str) -> None:
    """Refuse a path that is not plainly one of a file inside its folder, on any system.

    By name, not by where links lead: the Hub's cache keeps every file behind a link out of its folder.

    Raises:
        BundleError: absolute, with a drive, with "..", or not a name at all.
    """
    parts = PureWindowsPath(path)  # also splits at "/", and knows drives
    if parts.anchor or ".." in parts.parts or not parts.name or ":" in path or not path.isprintable():
        raise BundleError(f"clinspan.json names a file outside its folder: {brief(path)}")


def verified(folder: Path, record: FileRecord, verify: str) -> Path:
    """Path of a file of a folder, checked as far as `verify` says.

    Raises:
        BundleError: it is missing, leaves the folder, or is not the file that was recorded.
    """
    path = found_file(folder, record)
    if verify == "off":
        return path
    try:
        check_size(path, path.stat().st_size, record)
        if verify == "full" and record.sha256:
            check_hash(path, record_file(folder, record.path).sha256, record)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    if record.data is not None:
        verified(folder, record.data, verify)
    return path


def verified_content(folder: Path, record: FileRecord, verify: str, *, limit: int) -> bytes:
    """The content of a file: the very bytes that were checked.

    Raises:
        BundleError: it is missing, leaves the folder, is not the file that was recorded, or is longer than `limit` bytes.
    """
    path = found_file(folder, record)
    content = read_bytes(path, limit)
    if verify != "off":
        check_size(path, len(content), record)
    if verify == "full" and record.sha256:
        check_hash(path, hashlib.sha256(content).hexdigest(), record)
    return content


def found_file(folder: Path, record: FileRecord) -> Path:
    """The path of a file of a folder; raises BundleError where it is missing or leaves the folder."""
    check_name(record.path)
    path = folder / record.path
    try:
        found = path.is_file()
    except OSError as error:
        raise BundleError(f"{brief(record.path)} in {folder} cannot be read: {error.strerror}") from error
    if not found:
        raise BundleError(f"{brief(record.path)} is missing in {folder}")
    return path


def check_size(path: Path, size: int, record: FileRecord) -> None:
    """Raise BundleError unless a file has the recorded size."""
    if size != record.size:
        raise BundleError(f"{path} has {size} bytes, expected {record.size}: it is damaged or was replaced")


def check_hash(path: Path, sha256: str, record: FileRecord) -> None:
    """Raise BundleError unless a file has the recorded hash."""
    if sha256 != record.sha256:
        raise BundleError(f"{path} does not have the recorded sha256: it is damaged or was replaced")
