"""The story of an export: load, write fp32, quantize, compare with the original, move into place."""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clinspan.bundle import DEFAULT_WINDOW, Bundle, max_content_tokens, record_file
from clinspan.labels import LabelSet, detect
from clinspan.recognizer import Recognizer
from clinspan.tokenizer import Tokenizer
from clinspan_export import checkpoint as checkpoints
from clinspan_export import graph, parity, quantize
from clinspan_export.errors import ExportError
from clinspan_export.samples import SAMPLES

FILES = {"fp32": "onnx/model.onnx", "int8": "onnx/model_int8.onnx"}
TOLERANCE = 1e-3
# int8 needs to see a few thousand tokens of the kind of text it will read.
_CALIBRATION_NOTES = 24

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read the model's labels and cut its notes, where the caller knows better than detection.

    Attributes:
        scheme, outside, rename: as in `clinspan.labels.detect`.
        window, overlap: in tokens.
        aggregation: default word vote.
    """

    scheme: str | None = None
    outside: str | None = None
    rename: Mapping[str, str] | None = None
    window: int | None = None
    overlap: int = 0
    aggregation: str = "first"


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a checkpoint may do: run its own code, or bring pickled weights."""

    trust_remote_code: bool = False
    allow_pickle: bool = False


def export(
    source: str,
    out: str | Path,
    *,
    precisions: Sequence[str] = ("fp32", "int8"),
    notes: Sequence[str] | None = None,
    reading: Reading | None = None,
    permissions: Permissions | None = None,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> Bundle:
    """Turn a fine-tuned checkpoint into a bundle.

    Args:
        source: local folder or Hub id of a token classification checkpoint.
        out: folder to make.
        precisions: which models the bundle keeps, of `fp32` and `int8`.
        notes: texts to compare the models on; None for a few of our own.
        reading: overrides for labels and windows.
        permissions: what the checkpoint may do.
        force: replace `out` where it exists.
        progress: told each stage in a line.

    Returns:
        The bundle in its place.

    Raises:
        ExportError: nothing is left behind.
        BundleError: labels or windows make no sense; nothing is left behind.
    """
    target = Path(out)
    reading = reading or Reading()
    permissions = permissions or Permissions()
    unknown = sorted(set(precisions) - set(FILES))
    if unknown or not precisions:
        raise ExportError(f"precisions are {list(precisions)}: expected some of {', '.join(FILES)}")
    if target.exists() and not force:
        raise ExportError(f"{target} exists already: choose another folder, or --force to replace it")
    progress(f"loading {source}")
    loaded = checkpoints.load(
        source,
        trust_remote_code=permissions.trust_remote_code,
        allow_pickle=permissions.allow_pickle,
    )
    labels = detect(loaded.labels, scheme=reading.scheme, outside=reading.outside, rename=reading.rename)
    progress(f"labels: {', '.join(labels.entities)} (scheme {labels.scheme}, outside {labels.outside!r})")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as work:
            folder = Path(work, "bundle")
            texts = list(SAMPLES if notes is None else notes)
            bundle = _build(loaded, labels, folder, reading, texts, progress)
            bundle = _verify(loaded, bundle, texts, progress)
            bundle = _keep(bundle, precisions)
            bundle.write_manifest()
            _move(folder, target)
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror or type(error).__name__}") from error
    return replace(bundle, path=target)


def _build(
    loaded: checkpoints.Checkpoint,
    labels: LabelSet,
    folder: Path,
    reading: Reading,
    notes: Sequence[str],
    progress: Progress,
) -> Bundle:
    folder.mkdir()
    loaded.model.config.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    _keep_tokenizer_files(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    max_window = max_content_tokens(config)
    window = min(DEFAULT_WINDOW, max_window) if reading.window is None else reading.window
    progress("writing fp32 ONNX")
    graph.write_fp32(loaded, folder / FILES["fp32"])
    progress("quantizing to int8")
    feeds = parity.feeds(Tokenizer(folder / "tokenizer.json"), notes[:_CALIBRATION_NOTES], window=window)
    quantize.write_int8(folder / FILES["fp32"], folder / FILES["int8"], feeds)
    bundle = Bundle(
        path=folder,
        name=Path(loaded.source).name,
        labels=labels,
        models={precision: record_file(folder, path) for precision, path in FILES.items()},
        tokenizer=record_file(folder, "tokenizer.json"),
        window=window,
        overlap=reading.overlap,
        max_window=max_window,
        aggregation=reading.aggregation,
        provenance=_provenance(loaded, config),
    )
    bundle.write_manifest()
    return bundle


def _keep_tokenizer_files(folder: Path) -> None:
    """The runtime reads tokenizer.json alone; the config lets others load the folder; vocabularies repeat it."""
    if not (folder / "tokenizer.json").is_file():
        raise ExportError("transformers wrote no tokenizer.json for this tokenizer")
    kept = {"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    for path in folder.iterdir():
        if path.is_file() and path.name not in kept:
            path.unlink()


def _provenance(loaded: checkpoints.Checkpoint, config: Mapping[str, Any]) -> dict[str, Any]:
    import importlib.metadata as metadata

    packages = (
        "clinspan",
        "torch",
        "transformers",
        "optimum-onnx",
        "onnx",
        "onnxruntime",
        "tokenizers",
        "numpy",
    )
    return {
        "base": loaded.source if not Path(loaded.source).exists() else Path(loaded.source).name,
        "revision": loaded.revision,
        "architecture": type(loaded.model).__name__,
        "model_type": config.get("model_type", ""),
        "parameters": sum(p.numel() for p in loaded.model.parameters()),
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
        "quantization": "int8: dynamic activations, weights per column, embeddings per row, outliers moved",
    }


def _verify(loaded: checkpoints.Checkpoint, bundle: Bundle, notes: list[str], progress: Progress) -> Bundle:
    progress(f"comparing with PyTorch on {len(notes)} notes")
    reference = parity.torch_reference(
        loaded.model,
        Tokenizer(bundle.file(bundle.tokenizer)),
        bundle.labels,
        notes,
        window=bundle.window,
        overlap=bundle.overlap,
        vote=bundle.aggregation,
    )
    found = {}
    for precision in bundle.models:
        recognizer = Recognizer.load(bundle.path, precision=precision)
        found[precision] = parity.compare(
            reference, recognizer, notes, precision=precision, tolerance=TOLERANCE
        )
        progress(f"{precision}: {found[precision].f1:.3f} of spans agree with PyTorch")
    exact = found["fp32"]
    if (exact.max_logit_difference or 0.0) > TOLERANCE or exact.flipped:
        raise ExportError(
            f"the fp32 ONNX model is not the PyTorch model: logits differ by {exact.max_logit_difference:.2g} "
            f"(allowed {TOLERANCE:g}), {exact.flipped} decided labels differ"
        )
    report = {
        "notes": len(notes),
        "characters": sum(map(len, notes)),
        "tolerance": TOLERANCE,
        **{precision: agreement.as_json() for precision, agreement in found.items()},
    }
    return replace(bundle, parity=report)


def _keep(bundle: Bundle, precisions: Sequence[str]) -> Bundle:
    for precision, record in bundle.models.items():
        if precision not in precisions:
            (bundle.path / record.path).unlink()
    return replace(bundle, models={p: r for p, r in bundle.models.items() if p in precisions})


def _move(folder: Path, target: Path) -> None:
    """Put the finished folder in its place in one rename; what stood there goes only then."""
    old = target.with_name(f".{target.name}.old")
    if target.exists():
        target.rename(old)
    folder.rename(target)
    if old.exists():
        shutil.rmtree(old)
