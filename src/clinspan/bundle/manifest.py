"""The contract on disk: what a model folder holds, read by the runtime and written by the exporter.

    bundle/
      clinspan.json                     this file's record: task, labels, windows, files with hashes, reports
      README.md                         the model card, which its owner completes
      config.json tokenizer.json tokenizer_config.json
      onnx/model.onnx  onnx/model_int8.onnx  onnx/model_fp16.onnx
                                        graphs; the weights of each may lie in a file beside it, onnx/model.onnx_data

The layout is the Hub's, so other ONNX runtimes load the same folder. A folder without clinspan.json
(any ONNX classifier of tokens or texts, or encoder of sentence-transformers) is read too; what the manifest would
say is then derived from config.json.

Over 300 lines, because what is written and what is read of a field stand together.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clinspan.bundle.hub_folder import (
    find_models,
    max_content_tokens,
    other_models,
    sentence_settings,
)
from clinspan.bundle.integrity import (
    DATA_SUFFIX,
    MAX_MODEL_BYTES,
    MAX_TOKENIZER_BYTES,
    VERIFY,
    FileRecord,
    check_name,
    record_model,
    verified,
    verified_content,
)
from clinspan.bundle.other_kinds import refuse_other_kinds
from clinspan.bundle.signature import SIGNATURE, check_signature
from clinspan.bundle.tasks import (
    TOKENS,
    Head,
    LabelHints,
    check_task,
    crf_fields,
    head_fields,
    head_of_config,
    read_crf,
    read_head,
    shown_names,
    task_of,
)
from clinspan.errors import BundleError, InputError
from clinspan.strict_json import MAX_JSON_BYTES, Fields, brief, canonical, read_bytes
from clinspan.text.decode import AGGREGATIONS
from clinspan.text.labels import LabelSet
from clinspan.text.merge import Vectors
from clinspan.text.viterbi import CRF, Crf
from clinspan.text.windows import check
from clinspan.text.words import WORD_RULES

MANIFEST = "clinspan.json"
# The model card, for people: the manifest records it as the exporter wrote it, and nothing checks it on loading.
CARD = "README.md"
SCHEMA_VERSION = "1.0"
PRECISIONS = ("int8", "fp32", "fp16")

# Safe for models trained on short and on long chunks alike, and the fastest per token on CPU.
DEFAULT_WINDOW = 190

# The manifest's own hash, a field of the manifest.
_SEAL = "sha256"

# More labels, or tokens a run, than any model of notes has; both decide how much memory a run takes.
MAX_LABELS = 10_000
MAX_WINDOW = 1_000_000

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model folder, checked.

    Attributes:
        path: the folder.
        name: what the model is called.
        head: what the model's numbers mean: labels of tokens, labels of texts, or vectors.
        models: precision -> its file.
        tokenizer: the tokenizer.json.
        window: tokens that one run reads, special tokens not counted.
        overlap: tokens that neighbouring windows share.
        max_window: most tokens that the model can read at once, special tokens not counted.
        aggregation: how tokens vote for a word's label; `crf` where a CRF decides.
        crf: its tables, for the labels in the order of the logits; None for a model without one.
        words: where words end, one of `clinspan.text.words.WORD_RULES`.
        whole_words: edges of spans follow the words of medication text, see `text/whole_words.py`.
        reduced_range: int8 weights keep to 7 bits, so that sums of products fit on processors without VNNI.
        provenance, parity, evaluation, tuning: reports of the exporter, for people and tools to read.
        card: the model card as it was exported or signed; None where the bundle had no card. Its owner may have changed it since.
        verify: what of its files is checked before they are loaded, see `open_bundle`.
    """

    path: Path
    name: str
    head: Head
    models: Mapping[str, FileRecord]
    tokenizer: FileRecord
    window: int = DEFAULT_WINDOW
    overlap: int = 0
    max_window: int = 510
    aggregation: str = "first"
    crf: Crf | None = None
    words: str = WORD_RULES[0]
    whole_words: bool = False
    reduced_range: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)
    card: FileRecord | None = None
    verify: str = "full"

    @property
    def labels(self) -> LabelSet:
        """Labels of a model for entities; raises BundleError for a model of another task."""
        check_task(self.head, TOKENS, self.name)
        assert isinstance(self.head, LabelSet)
        return self.head

    @property
    def aggregations(self) -> tuple[str, ...]:
        """The aggregations that it can be read with: only `crf` where a CRF decides, else every other."""
        return AGGREGATIONS if self.crf is None else (CRF,)

    def precision(self, wanted: str | None, order: Sequence[str] = ("int8", "fp32", "fp16")) -> str:
        """Choose a precision: the one wanted, else the first of an order that the bundle has.

        Raises:
            InputError: the bundle has no such precision.
        """
        if wanted is not None:
            if not isinstance(wanted, str) or wanted not in self.models:
                raise InputError(
                    f"precision {wanted!r} is not in the bundle: it has {', '.join(self.models)}"
                )
            return wanted
        return next(name for name in order if name in self.models)

    def file(self, record: FileRecord) -> Path:
        """Path of a file of the bundle, checked as far as `verify` says.

        Raises:
            BundleError: it is missing, leaves the folder, or is not the file that was recorded.
        """
        return verified(self.path, record, self.verify)

    def read_tokenizer(self) -> bytes:
        """The tokenizer.json, checked as far as `verify` says: these bytes, not a file that may change.

        Raises:
            BundleError: it is missing, leaves the folder, is not the file that was recorded, or is too large.
        """
        return verified_content(self.path, self.tokenizer, self.verify, limit=MAX_TOKENIZER_BYTES)

    def manifest(self) -> dict[str, Any]:
        """The content of clinspan.json."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "task": task_of(self.head),
            "name": self.name,
            **head_fields(self.head),
            **crf_fields(self.crf),
            "window": self.window,
            "overlap": self.overlap,
            "max_window": self.max_window,
            "aggregation": self.aggregation,
            **({"words": self.words} if task_of(self.head) == TOKENS else {}),
            **({"whole_words": True} if self.whole_words else {}),
            **({"reduced_range": True} if self.reduced_range else {}),
            "tokenizer": _record(self.path, self.tokenizer),
            "models": {precision: _record(self.path, file) for precision, file in self.models.items()},
            **({} if self.card is None else {"card": _record(self.path, self.card)}),
            "provenance": dict(self.provenance),
            "parity": dict(self.parity),
            "evaluation": dict(self.evaluation),
            "tuning": dict(self.tuning),
        }
        return {**content, _SEAL: _seal(content)}

    def write_manifest(self) -> None:
        """Write clinspan.json into the folder. A signature of the one before no longer fits."""
        text = json.dumps(self.manifest(), indent=2, ensure_ascii=False, allow_nan=False)
        (self.path / MANIFEST).write_text(text + "\n", encoding="utf-8")


def open_bundle(
    path: str | Path,
    *,
    verify: str = "full",
    public_key: str | Path | None = None,
    outside: str | None = None,
    entity: str | None = None,
) -> Bundle:
    """Read a model folder: a bundle, or any ONNX token classification repository.

    The manifest's own hash and structure are always checked.

    Args:
        path: the folder.
        verify: what of its files is checked before they are loaded: `full` for size and sha256, `size`,
            or `off`. A folder without a manifest has no record to check against.
        public_key: PEM file of an Ed25519 key; only a bundle whose manifest it signed is read.
        outside: label that means no entity, for a folder without a manifest.
        entity: name of the entity of labels that are positions alone, for such a folder.

    Raises:
        BundleError: what is there cannot be used; the message says what and where.
        InputError: `verify` is unknown or too little for a signature, the key cannot be read, or labels are
            explained that a manifest explains already.
        MissingDependencyError: `public_key` is given and the `signing` extra is not installed.
    """
    if verify not in VERIFY:
        raise InputError(f"verify is {brief(verify)}: expected one of {', '.join(VERIFY)}")
    if public_key is not None and verify != "full":
        raise InputError(f"verify is {verify!r}, and a signature vouches for hashes: expected 'full'")
    folder = Path(path)
    try:
        key = None if public_key is None else Path(public_key)
        return _open(folder, verify, key, LabelHints(outside, entity))
    except OSError as error:
        raise BundleError(f"{folder} cannot be read: {error.strerror}") from error


def _open(folder: Path, verify: str, public_key: Path | None, hints: LabelHints) -> Bundle:
    if "\0" in str(folder) or not folder.is_dir():
        raise BundleError(f"{folder} is not a folder")
    if not (folder / MANIFEST).exists():
        refuse_other_kinds(folder)
    if (folder / MANIFEST).is_file():
        content = read_bytes(folder / MANIFEST, MAX_JSON_BYTES)
        if public_key is not None:
            check_signature(folder / SIGNATURE, content, public_key)
        if hints != LabelHints():
            raise InputError(f"outside and entity are for folders without a {MANIFEST}; {folder} has one")
        return _from_manifest(folder, content, verify)
    if os.path.lexists(folder / MANIFEST):
        raise BundleError(
            f"{folder / MANIFEST} is not a file, or leads to none: nothing else is read in its place"
        )
    if public_key is not None:
        raise BundleError(f"{folder} has no {MANIFEST}, so nothing in it is signed")
    if (folder / "config.json").is_file():
        return _from_config(folder, verify, hints)
    raise BundleError(f"{folder} has neither {MANIFEST} nor config.json: it is not a model folder")


def _from_manifest(folder: Path, content: bytes, verify: str) -> Bundle:
    data = Fields.parse(content, folder / MANIFEST)
    version = data.text("schema_version")
    if version.split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise BundleError(
            f"{folder / MANIFEST} has schema version {version}, and this clinspan reads {SCHEMA_VERSION}: "
            "a newer clinspan is needed"
        )
    # Bundles from before the manifest had a hash of its own are read without one.
    if _SEAL in data.data and data.text(_SEAL) != _seal(data.data):
        raise BundleError(
            f"{folder / MANIFEST} does not have the sha256 that it records: it is damaged or was changed by "
            f"hand; whoever changed it on purpose takes the field {_SEAL!r} away"
        )
    head = read_head(data)
    bundle = Bundle(
        path=folder,
        name=data.text("name"),
        head=head,
        models={
            precision: _model(data.inside("models"), precision) for precision in data.get("models", dict)
        },
        tokenizer=_file(data, "tokenizer"),
        window=data.number("window", least=1, most=MAX_WINDOW),
        overlap=data.number("overlap", least=0, most=MAX_WINDOW),
        max_window=data.number("max_window", least=1, most=2**63 - 1),
        aggregation=data.text("aggregation"),
        crf=read_crf(data, head),
        words=data.text("words") if "words" in data.data else WORD_RULES[0],
        whole_words=data.get("whole_words", bool, False),
        reduced_range=data.get("reduced_range", bool, False),
        provenance=data.get("provenance", dict, {}),
        parity=data.get("parity", dict, {}),
        evaluation=data.get("evaluation", dict, {}),
        tuning=data.get("tuning", dict, {}),
        card=_file(data, "card") if "card" in data.data else None,
        verify=verify,
    )
    _check(bundle)
    return bundle


def _from_config(folder: Path, verify: str, hints: LabelHints) -> Bundle:
    source = folder / "config.json"
    config = Fields.parse(read_bytes(source, MAX_JSON_BYTES), source)
    tokenizer = folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise BundleError(f"tokenizer.json is missing in {folder}")
    max_window = max_content_tokens(config.data)
    sentences = sentence_settings(folder)
    head = head_of_config(config, hints, sentences)
    # A classifier of texts was trained on texts cut at its limit, if anywhere.
    window = min(DEFAULT_WINDOW, max_window) if task_of(head) == TOKENS else max_window
    if isinstance(head, Vectors) and sentences is not None and sentences.window is not None:
        window = min(window, sentences.window)
    bundle = Bundle(
        path=folder,
        name=folder.resolve().name,
        head=head,
        models=find_models(folder),
        tokenizer=FileRecord("tokenizer.json", tokenizer.stat().st_size, ""),
        window=window,
        max_window=max_window,
        verify=verify,
    )
    _check(bundle)
    return bundle


def _check(bundle: Bundle) -> None:
    if not bundle.models:
        found = other_models(bundle.path)
        unread = f"; {', '.join(found)}: of a kind that is not read" if found else ""
        raise BundleError(
            f"{bundle.path} has no model: expected onnx/model.onnx or onnx/model_int8.onnx{unread}"
        )
    unknown = sorted(set(bundle.models) - set(PRECISIONS))
    if unknown:
        raise BundleError(f"unknown precision {brief(unknown[0])}: expected {', '.join(PRECISIONS)}")
    votes = bundle.aggregations
    if bundle.aggregation not in votes:
        raise BundleError(f"unknown aggregation {bundle.aggregation!r}: expected {', '.join(votes)}")
    labels = len(shown_names(bundle.head))
    if labels > MAX_LABELS:
        raise BundleError(f"{bundle.path} has {labels} labels: at most {MAX_LABELS} are read")
    if bundle.max_window > MAX_WINDOW:
        raise BundleError(f"{bundle.path} reads {bundle.max_window} tokens at once: at most {MAX_WINDOW} are")
    if bundle.words not in WORD_RULES:
        raise BundleError(f"unknown rule of words {brief(bundle.words)}: expected {', '.join(WORD_RULES)}")
    for record in _with_data(bundle.models.values()):
        if record.size > MAX_MODEL_BYTES:
            raise BundleError(
                f"{record.path} in {bundle.path} has {record.size} bytes: at most {MAX_MODEL_BYTES} are read"
            )
    try:
        check(bundle.window, bundle.overlap)
    except InputError as error:
        raise BundleError(f"{bundle.path / MANIFEST}: {error}") from error
    if bundle.window > bundle.max_window:
        raise BundleError(f"window {bundle.window} is more than the model can read ({bundle.max_window})")


def _with_data(records: Iterable[FileRecord]) -> Iterator[FileRecord]:
    for record in records:
        yield record
        if record.data is not None:
            yield record.data


def _seal(content: Mapping[str, Any]) -> str:
    """Sha256 over everything that a manifest says but its own hash; layout and order of keys do not count."""
    said = {name: value for name, value in content.items() if name != _SEAL}
    return hashlib.sha256(canonical(json.loads(json.dumps(said, allow_nan=False)))).hexdigest()


def _record(folder: Path, file: FileRecord) -> dict[str, Any]:
    # Files of a folder without a manifest were never hashed.
    file = file if file.sha256 else record_model(folder, file.path)
    said: dict[str, Any] = {"path": file.path, "size": file.size, "sha256": file.sha256}
    return said if file.data is None else {**said, "data": _record(folder, file.data)}


def _model(fields: Fields, precision: str) -> FileRecord:
    record, file = _file(fields, precision), fields.inside(precision)
    if "data" not in file.data:
        return record
    data = _file(file, "data")
    if data.path != record.path + DATA_SUFFIX:
        raise BundleError(
            f"{fields.source}: the weights of {brief(record.path)} are said to lie in {brief(data.path)}, "
            f"expected {brief(record.path + DATA_SUFFIX)}"
        )
    return replace(record, data=data)


def _file(fields: Fields, name: str) -> FileRecord:
    file = fields.inside(name)
    record = FileRecord(
        file.get("path", str), file.number("size", least=0, most=2**63 - 1), file.text("sha256")
    )
    check_name(record.path)
    if not _SHA256.fullmatch(record.sha256):
        raise BundleError(
            f"{fields.source}: sha256 of {brief(record.path)} is {brief(record.sha256)}, expected 64 digits "
            "0-9 and a-f"
        )
    return record
