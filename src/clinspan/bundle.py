"""The contract on disk: what a model folder holds, read by the runtime and written by the exporter.

    bundle/
      clinspan.json                     this file's record: labels, windows, files with hashes, reports
      config.json tokenizer.json tokenizer_config.json
      onnx/model.onnx  onnx/model_int8.onnx  onnx/model_fp16.onnx

The layout is the Hub's, so other ONNX runtimes load the same folder. A folder without clinspan.json
(any ONNX token classifier) is read too; what the manifest would say is then derived from config.json.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

from clinspan.decode import AGGREGATIONS
from clinspan.errors import BundleError, InputError
from clinspan.labels import LabelSet, detect
from clinspan.windows import check

MANIFEST = "clinspan.json"
SCHEMA_VERSION = "1.0"
PRECISIONS = ("int8", "fp32", "fp16")

# Safe for models trained on short and on long chunks alike, and the fastest per token on CPU.
DEFAULT_WINDOW = 190

# Where others keep a model of each precision, best first; our own layout comes first.
_FOREIGN_FILES = {
    "int8": ("model_int8.onnx", "model_quantized.onnx"),
    "fp32": ("model.onnx",),
    "fp16": ("model_fp16.onnx",),
}
# Model types whose positions begin behind the padding id, as in fairseq.
_POSITIONS_AFTER_PADDING = {
    "camembert", "data2vec-text", "ibert", "longformer", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of the bundle: path relative to the folder, size in bytes, sha256 in hex (empty: not known)."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model folder, checked.

    Attributes:
        path: the folder.
        name: what the model is called.
        labels: label names and how to read them.
        models: precision -> its file.
        tokenizer: the tokenizer.json.
        window: tokens that one run reads, special tokens not counted.
        overlap: tokens that neighbouring windows share.
        max_window: most tokens that the model can read at once, special tokens not counted.
        aggregation: how tokens vote for a word's label.
        provenance, parity, evaluation, tuning: reports of the exporter, for people and tools to read.
    """

    path: Path
    name: str
    labels: LabelSet
    models: Mapping[str, FileRecord]
    tokenizer: FileRecord
    window: int = DEFAULT_WINDOW
    overlap: int = 0
    max_window: int = 510
    aggregation: str = "first"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)

    def precision(self, wanted: str | None, device: str) -> str:
        """Choose a precision: the one wanted, else int8 on `cpu` and fp16 on `cuda` where there is one.

        Raises:
            InputError: the bundle has no such precision.
        """
        if wanted is not None:
            if not isinstance(wanted, str) or wanted not in self.models:
                raise InputError(
                    f"precision {wanted!r} is not in the bundle: it has {', '.join(self.models)}"
                )
            return wanted
        order = ("int8", "fp32", "fp16") if device == "cpu" else ("fp16", "fp32", "int8")
        return next(name for name in order if name in self.models)

    def file(self, record: FileRecord) -> Path:
        """Path of a file of the bundle, its size and hash verified.

        Raises:
            BundleError: it is missing, leaves the folder, or is not the file that was recorded.
        """
        return _verified(self.path, record)

    def manifest(self) -> dict[str, Any]:
        """The content of clinspan.json."""
        return {
            "schema_version": SCHEMA_VERSION,
            "task": "token-classification",
            "name": self.name,
            "labels": list(self.labels.names),
            "scheme": self.labels.scheme,
            "outside": self.labels.outside,
            "rename": dict(self.labels.rename),
            "window": self.window,
            "overlap": self.overlap,
            "max_window": self.max_window,
            "aggregation": self.aggregation,
            "tokenizer": _record(self.tokenizer),
            "models": {precision: _record(file) for precision, file in self.models.items()},
            "provenance": dict(self.provenance),
            "parity": dict(self.parity),
            "evaluation": dict(self.evaluation),
            "tuning": dict(self.tuning),
        }

    def write_manifest(self) -> None:
        """Write clinspan.json into the folder."""
        text = json.dumps(self.manifest(), indent=2, ensure_ascii=False, allow_nan=False)
        (self.path / MANIFEST).write_text(text + "\n", encoding="utf-8")


def open_bundle(path: str | Path) -> Bundle:
    """Read a model folder: a bundle, or any ONNX token classification repository.

    Raises:
        BundleError: what is there cannot be used; the message says what and where.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder")
    if (folder / MANIFEST).is_file():
        return _from_manifest(folder)
    if (folder / "config.json").is_file():
        return _from_config(folder)
    raise BundleError(f"{folder} has neither {MANIFEST} nor config.json: it is no model folder")


def record_file(folder: Path, path: str) -> FileRecord:
    """Measure and hash a file of a folder."""
    full = folder / path
    with full.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileRecord(path, full.stat().st_size, digest)


def _from_manifest(folder: Path) -> Bundle:
    data = _Fields(_read_json(folder / MANIFEST), folder / MANIFEST)
    version = data.get("schema_version", str)
    if version.split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise BundleError(
            f"{folder / MANIFEST} has schema version {version}, and this clinspan reads {SCHEMA_VERSION}: "
            "a newer clinspan is needed"
        )
    if data.get("task", str) != "token-classification":
        raise BundleError(f"{folder / MANIFEST}: task is not token-classification")
    models = data.get("models", dict)
    bundle = Bundle(
        path=folder,
        name=data.get("name", str),
        labels=detect(
            data.strings("labels"),
            scheme=data.get("scheme", str),
            outside=data.get("outside", str),
            rename=data.get("rename", dict, {}),
        ),
        models={precision: data.file("models", precision) for precision in models},
        tokenizer=data.file("tokenizer"),
        window=data.get("window", int),
        overlap=data.get("overlap", int),
        max_window=data.get("max_window", int),
        aggregation=data.get("aggregation", str),
        provenance=data.get("provenance", dict, {}),
        parity=data.get("parity", dict, {}),
        evaluation=data.get("evaluation", dict, {}),
        tuning=data.get("tuning", dict, {}),
    )
    _check(bundle)
    return bundle


def _from_config(folder: Path) -> Bundle:
    config = _Fields(_read_json(folder / "config.json"), folder / "config.json")
    id2label = config.get("id2label", dict)
    try:
        names = [str(id2label[str(index)]) for index in range(len(id2label))]
    except KeyError as error:
        raise BundleError(
            f"{folder / 'config.json'}: id2label is not numbered 0 to {len(id2label) - 1}"
        ) from error
    models = {
        precision: FileRecord(path.relative_to(folder).as_posix(), path.stat().st_size, "")
        for precision, files in _FOREIGN_FILES.items()
        for path in [next((p for f in files for p in (folder / "onnx" / f, folder / f) if p.is_file()), None)]
        if path is not None
    }
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise BundleError(f"tokenizer.json is missing in {folder}")
    max_window = max_content_tokens(config.data)
    bundle = Bundle(
        path=folder,
        name=folder.resolve().name,
        labels=detect(names),
        models=models,
        tokenizer=FileRecord("tokenizer.json", tokenizer.stat().st_size, ""),
        window=min(DEFAULT_WINDOW, max_window),
        max_window=max_window,
    )
    _check(bundle)
    return bundle


def max_content_tokens(config: Mapping[str, Any]) -> int:
    """Most tokens that a model can read at once without its two special tokens, from its config.json.

    >>> max_content_tokens({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1})
    510
    """
    positions = config.get("max_position_embeddings", 512)
    if not isinstance(positions, int) or isinstance(positions, bool) or positions < 4:
        raise BundleError(f"config.json: max_position_embeddings is {positions!r}: expected a whole number")
    if config.get("model_type") in _POSITIONS_AFTER_PADDING:
        padding = config.get("pad_token_id", 1)
        positions -= (padding if isinstance(padding, int) else 1) + 1
    elif config.get("model_type") == "mpnet":
        positions -= 2  # its padding id is 1 whatever the configuration says
    return positions - 2


def _check(bundle: Bundle) -> None:
    if not bundle.models:
        raise BundleError(f"{bundle.path} has no model: expected onnx/model.onnx or onnx/model_int8.onnx")
    unknown = sorted(set(bundle.models) - set(PRECISIONS))
    if unknown:
        raise BundleError(f"unknown precision {unknown[0]!r}: expected {', '.join(PRECISIONS)}")
    if bundle.aggregation not in AGGREGATIONS:
        raise BundleError(f"unknown aggregation {bundle.aggregation!r}: expected {', '.join(AGGREGATIONS)}")
    try:
        check(bundle.window, bundle.overlap)
    except InputError as error:
        raise BundleError(f"{bundle.path / MANIFEST}: {error}") from error
    if bundle.window > bundle.max_window:
        raise BundleError(f"window {bundle.window} is more than the model can read ({bundle.max_window})")


def _verified(folder: Path, record: FileRecord) -> Path:
    path = folder / record.path
    # By name, not by where links lead: the Hub's cache keeps every file behind a link out of its folder.
    parts = PureWindowsPath(record.path)  # also splits at "/", and knows drives
    if parts.anchor or ".." in parts.parts or not parts.name:
        raise BundleError(f"{MANIFEST} names a file outside its folder: {record.path}")
    if not path.is_file():
        raise BundleError(f"{record.path} is missing in {folder}")
    size = path.stat().st_size
    if size != record.size:
        raise BundleError(f"{path} has {size} bytes, expected {record.size}: it is damaged or was replaced")
    if record.sha256 and record_file(folder, record.path).sha256 != record.sha256:
        raise BundleError(f"{path} does not have the recorded sha256: it is damaged or was replaced")
    return path


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not readable JSON") from error
    if not isinstance(data, dict):
        raise BundleError(f"{path} is not a JSON object")
    return data


def _record(file: FileRecord) -> dict[str, Any]:
    return {"path": file.path, "size": file.size, "sha256": file.sha256}


@dataclass(frozen=True, slots=True)
class _Fields:
    """A JSON object whose fields are checked as they are taken."""

    data: dict[str, Any]
    source: Path

    def get(self, name: str, kind: type, default: Any = None) -> Any:
        value = self.data.get(name, default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            found = "missing" if name not in self.data else f"a {type(value).__name__}"
            raise BundleError(f"{self.source}: {name} is {found}, expected a {kind.__name__}")
        return value

    def strings(self, name: str) -> list[str]:
        values = self.get(name, list)
        if not all(isinstance(value, str) for value in values):
            raise BundleError(f"{self.source}: {name} is not a list of strings")
        return list(values)

    def file(self, *names: str) -> FileRecord:
        fields = self
        for name in names:
            fields = _Fields(fields.get(name, dict), self.source)
        return FileRecord(fields.get("path", str), fields.get("size", int), fields.get("sha256", str))
