"""The story of an export: load, write fp32, derive the rest, tune, compare with the original, move into place."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from clinspan.bundle.hub_folder import max_content_tokens
from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import DEFAULT_WINDOW, PRECISIONS, Bundle
from clinspan.errors import ClinspanError, MissingDependencyError
from clinspan.text.labels import LabelSet, detect
from clinspan.text.tokenizer import Tokenizer
from clinspan.textfiles import write_whole
from clinspan_export import checkpoint as checkpoints
from clinspan_export.checkpoint import Checkpoint, Trust
from clinspan_export.errors import ExportError, first_line
from clinspan_export.graphs import fp16, fp32, int8
from clinspan_export.provenance import provenance
from clinspan_export.verify.compare import feeds
from clinspan_export.verify.tune_windows import tune
from clinspan_export.verify.verdict import Checks, check_batches, judge

FILES = {"fp32": "onnx/model.onnx", "int8": "onnx/model_int8.onnx", "fp16": "onnx/model_fp16.onnx"}
# int8 needs to see a few thousand tokens of the kind of text it will read.
_CALIBRATION_NOTES = 24
_EXTRA = ("torch", "transformers", "optimum", "onnx", "onnxruntime", "jinja2", "matplotlib")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Overrides:
    """How to read the labels and cut the notes, where the caller knows better than detection.

    Attributes:
        scheme, outside, rename: as in `clinspan.text.labels.detect`.
        window, overlap: in tokens.
        aggregation: as in `clinspan.Recognizer.recognize`.
    """

    scheme: str | None = None
    outside: str | None = None
    rename: Mapping[str, str] | None = None
    window: int | None = None
    overlap: int = 0
    aggregation: str = "first"


def export(
    source: str,
    out: str | Path,
    *,
    precisions: Sequence[str] = ("fp32", "int8"),
    checks: Checks | None = None,
    overrides: Overrides | None = None,
    trust: Trust | None = None,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> Bundle:
    """Turn a fine-tuned checkpoint into a bundle.

    Args:
        source: local folder or Hub id of a token classification checkpoint.
        out: folder to make.
        precisions: which models the bundle keeps, of `fp32`, `int8` and `fp16`.
        checks: notes to compare the models on and to tune on, and limits; None for a few notes of our own.
        overrides: labels and windows, where the caller knows better than detection.
        trust: revision of a Hub id, which the manifest records, and what the checkpoint may do.
        force: replace `out` where it exists.
        progress: told each stage in a line.

    Returns:
        The bundle in its place.

    Raises:
        ExportError: the export failed; nothing is left behind.
        BundleError: labels or windows make no sense; nothing is left behind.
        MissingDependencyError: the `export` extra is not installed.
    """
    _check_extra()
    target, checks, overrides = Path(out), checks or Checks(), overrides or Overrides()
    _check_request(target, precisions, checks, overrides, force)
    # Every model is compared with the original by way of fp32, so that is always made.
    made = [name for name in FILES if name in {"fp32", *precisions}]
    stage = _stages(progress, total=4 + len(made) + (checks.tune_on is not None))
    stage(f"loading {source}")
    loaded = checkpoints.load(source, trust)
    labels = _read_labels(loaded, overrides, progress)
    try:
        with write_whole(target) as folder:
            # Where there are notes to tune on, those it is judged on stay unseen.
            seen = (checks.tune_on or checks.samples)[:_CALIBRATION_NOTES]
            bundle = _build(loaded, labels, folder, made, overrides, [note.text for note in seen], stage)
            bundle = _verify(loaded, bundle, checks, precisions, progress, stage)
            stage(f"moving the bundle to {target}")
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror or type(error).__name__}") from error
    return replace(bundle, path=target)


def _read_labels(loaded: Checkpoint, overrides: Overrides, progress: Progress) -> LabelSet:
    fp32.check_supported(loaded.model)
    labels = detect(
        loaded.labels, scheme=overrides.scheme, outside=overrides.outside, rename=overrides.rename
    )
    progress(describe(labels))
    if checkpoints.loses_case(loaded.tokenizer):
        progress("warning: the tokenizer lowers case, and its vocabulary is cased; is do_lower_case right?")
    return labels


def describe(labels: LabelSet) -> str:
    """Describe what was detected in the label names, for a person to check before the long part begins."""
    names = [repr(name) for name in labels.entities]
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"labels: {len(names)} entities ({shown}), scheme {labels.scheme}, outside {labels.outside!r}"


def _check_extra() -> None:
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"{', '.join(missing)} is not installed: exporting needs pip install 'clinspan[export]'"
        )


def _check_request(
    target: Path, precisions: Sequence[str], checks: Checks, overrides: Overrides, force: bool
) -> None:
    unknown = sorted(set(precisions) - set(FILES))
    if unknown or not precisions:
        raise ExportError(f"precisions are {list(precisions)}: expected some of {', '.join(PRECISIONS)}")
    if checks.tune_on is not None and overrides.window is not None:
        raise ExportError("--window and --tune exclude each other: tuning chooses the window")
    if target.exists() and not force:
        raise ExportError(f"{target} exists already: choose another folder, or --force to replace it")
    if target.exists() and not target.is_dir():
        raise ExportError(f"{target} is a file: expected a folder to make")
    # Found out now rather than after the model was loaded.
    above = next(folder for folder in target.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        reason = "no permission to write there" if above.is_dir() else "it is not a folder"
        raise ExportError(f"cannot make {target} in {above}: {reason}")


def _stages(progress: Progress, *, total: int) -> Progress:
    number = 0

    def stage(line: str) -> None:
        nonlocal number
        number += 1
        progress(f"[{number}/{total}] {line}")

    return stage


def _build(
    loaded: Checkpoint,
    labels: LabelSet,
    folder: Path,
    made: Sequence[str],
    overrides: Overrides,
    calibration: Sequence[str],
    stage: Progress,
) -> Bundle:
    folder.mkdir()
    loaded.model.config.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    _keep_tokenizer_files(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    max_window = max_content_tokens(config)
    window = min(DEFAULT_WINDOW, max_window) if overrides.window is None else overrides.window
    _write_graphs(loaded, folder, made, calibration, window, stage)
    bundle = Bundle(
        path=folder,
        name=Path(loaded.source).resolve().name,
        labels=labels,
        models={precision: record_file(folder, FILES[precision]) for precision in made},
        tokenizer=record_file(folder, "tokenizer.json"),
        window=window,
        overlap=overrides.overlap,
        max_window=max_window,
        aggregation=overrides.aggregation,
        provenance=provenance(loaded, config),
    )
    bundle.write_manifest()
    return bundle


def _write_graphs(
    loaded: Checkpoint,
    folder: Path,
    made: Sequence[str],
    calibration: Sequence[str],
    window: int,
    stage: Progress,
) -> None:
    stage("writing fp32 ONNX")
    source = folder / FILES["fp32"]
    fp32.write_fp32(loaded, source)
    if "int8" in made:
        stage(f"writing int8 ONNX, calibrated on {len(calibration)} notes")
        inputs = feeds(Tokenizer(folder / "tokenizer.json"), calibration, window=window)
        with _converting("int8"):
            int8.write_int8(source, folder / FILES["int8"], inputs)
    if "fp16" in made:
        stage("writing fp16 ONNX")
        with _converting("fp16"):
            fp16.write_fp16(source, folder / FILES["fp16"])


def _verify(
    loaded: Checkpoint,
    bundle: Bundle,
    checks: Checks,
    precisions: Sequence[str],
    progress: Progress,
    stage: Progress,
) -> Bundle:
    """Tune the windows where asked, hold the bundle to its limits, and keep the precisions that were asked for."""
    stage("comparing the fp32 graph with PyTorch on single tokens, full windows and padded batches")
    check_batches(loaded.model, bundle)
    if checks.tune_on is not None:
        notes, source, margin = checks.tune_on, checks.tune_source, checks.tune_margin
        stage(f"tuning windows on {len(notes)} notes of {source}")
        bundle = tune(bundle, notes, source=source, margin=margin, progress=progress)
        bundle.write_manifest()  # what follows reads the bundle as its users will
    stage(f"comparing with PyTorch on {len(checks.samples)} notes ({checks.source})")
    bundle = judge(loaded.model, bundle, checks, keep=precisions, progress=progress)
    bundle = _keep(bundle, precisions)
    bundle.write_manifest()
    return bundle


@contextmanager
def _converting(precision: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ClinspanError):
        raise
    except Exception as error:
        raise ExportError(
            f"cannot convert the model to {precision} ({type(error).__name__}: {first_line(error)})"
        ) from error


def _keep_tokenizer_files(folder: Path) -> None:
    """Remove vocabularies, which repeat tokenizer.json: the runtime reads that alone, and others its config."""
    if not (folder / "tokenizer.json").is_file():
        raise ExportError("transformers wrote no tokenizer.json for this tokenizer")
    kept = {"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    for path in folder.iterdir():
        if path.is_file() and path.name not in kept:
            path.unlink()


def _keep(bundle: Bundle, precisions: Sequence[str]) -> Bundle:
    for precision, record in bundle.models.items():
        if precision not in precisions:
            (bundle.path / record.path).unlink()
    return replace(bundle, models={p: r for p, r in bundle.models.items() if p in precisions})
