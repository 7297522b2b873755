"""The story of an export: load, write fp32, derive the rest, tune, compare with the original, move into place.

Over 300 lines, because the story is kept in one file with the refusals that come before it.
"""

from __future__ import annotations

import importlib.metadata as metadata
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from clinspan.bundle.hub_folder import max_content_tokens
from clinspan.bundle.integrity import DATA_SUFFIX, record_file
from clinspan.bundle.manifest import DEFAULT_WINDOW, PRECISIONS, Bundle
from clinspan.errors import ClinspanError, MissingDependencyError, installing
from clinspan.text.decode import AGGREGATIONS
from clinspan.text.labels import LabelSet, are_unnamed, detect
from clinspan.text.tokenizer import Tokenizer
from clinspan.text.viterbi import CRF
from clinspan.text.windows import check as check_window
from clinspan.textfiles import write_whole
from clinspan_export import checkpoint as checkpoints
from clinspan_export.checkpoint import BACKEND, EXTRA_TOKENS, Checkpoint, Trust
from clinspan_export.errors import ExportError, first_line
from clinspan_export.graphs import fp16, fp32, int8
from clinspan_export.graphs.weights_beside import write_weights_beside
from clinspan_export.inspection.output_folder import check_report, check_target
from clinspan_export.provenance import provenance
from clinspan_export.quiet import Progress, import_converters, quiet
from clinspan_export.verify.card import write_card
from clinspan_export.verify.compare import feeds
from clinspan_export.verify.speed import speedup, window_ms
from clinspan_export.verify.tune_windows import tune
from clinspan_export.verify.verdict import Checks, check_batches, judge

FILES = {"fp32": "onnx/model.onnx", "int8": "onnx/model_int8.onnx", "fp16": "onnx/model_fp16.onnx"}
# int8 needs to see a few thousand tokens of the kind of text it will read.
_CALIBRATION_NOTES = 24
_TIMED_WINDOWS = 12
_EXTRA = ("torch", "transformers", "onnx", "onnxruntime", "jinja2", "matplotlib")
# The floors of the extra in pyproject.toml.
_OLDEST = {"torch": "2.4", "transformers": "4.57"}


@dataclass(frozen=True, slots=True)
class Overrides:
    """How to read the labels and cut the notes, where the caller knows better than detection.

    Attributes:
        scheme, outside, entity, rename: as in `clinspan.text.labels.detect`.
        labels: names of all labels in the order of the logits, in place of the checkpoint's.
        window, overlap: in tokens.
        aggregation: as in `clinspan.Recognizer.recognize`.
        exporter: what writes the fp32 graph: `torch`, or `optimum` from the extra of that name.
        whole_words: edges of spans follow the words of medication text.
        reduced_range: int8 weights keep to 7 bits, for processors without VNNI.
    """

    scheme: str | None = None
    outside: str | None = None
    entity: str | None = None
    labels: Sequence[str] | None = None
    rename: Mapping[str, str] | None = None
    window: int | None = None
    overlap: int = 0
    aggregation: str = "first"
    exporter: str = "torch"
    whole_words: bool = False
    reduced_range: bool = False


def export(
    source: str | Checkpoint,
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
        source: local folder or Hub id of a token classification checkpoint, or one that is loaded already.
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
    # More than 40 lines with the options' documentation; the story itself is a few.
    check_extra()
    # Every model is compared with the original by way of fp32, so that is always made.
    made = [name for name in FILES if name in {"fp32", *precisions}]
    request = _Request(
        named(Path(out)), precisions, made, checks or Checks(), overrides or Overrides(), progress
    )
    _check_request(request, source.source if isinstance(source, Checkpoint) else source, force)
    stage = stages(progress, total=4 + len(made) + (request.checks.tune_on is not None))
    found: list[LabelSet] = []

    def preview(names: Sequence[str], config: Any) -> None:
        fp32.check_supported(config, request.overrides.exporter)
        _check_windows(request.overrides, config)
        found.append(_read_labels(names, request))

    if isinstance(source, Checkpoint):
        stage(f"taking {source.source} as it was loaded")
        loaded = source
        preview(loaded.labels, loaded.model.config)
    else:
        stage(f"loading {source}")
        loaded = checkpoints.load(source, trust, preview=preview)
    fp32.check_size(loaded.model)
    _tell_crf(loaded, request)
    if checkpoints.loses_case(loaded.tokenizer):
        progress(f"warning: {checkpoints.LOSES_CASE}")
    try:
        with write_whole(request.target) as folder:
            bundle = _build(loaded, found[0], folder, request, stage)
            bundle = _verify(loaded, bundle, request, stage)
            stage(f"moving the bundle to {request.target}")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ExportError(f"cannot write {request.target}: {reason}") from error
    return replace(bundle, path=request.target)


def named(out: Path) -> Path:
    """The same place under a path that ends with its name, which `.` and `..` do not."""
    return out.resolve() if out.name in ("", "..") else out


@dataclass(frozen=True, slots=True)
class _Request:
    """An export as it was asked for; `made` are the precisions to write, and `precisions` those to keep."""

    target: Path
    precisions: Sequence[str]
    made: Sequence[str]
    checks: Checks
    overrides: Overrides
    progress: Progress


def _read_labels(names: Sequence[str], request: _Request) -> LabelSet:
    told = request.overrides
    if told.labels is not None:
        if len(told.labels) != len(names):
            raise ExportError(f"--labels names {len(told.labels)} labels, and the model has {len(names)}")
        names = told.labels
    elif are_unnamed(names) and told.outside is None:
        raise ExportError(
            f"the labels are {names[0]} to {names[-1]}, which says nothing of their meaning: --labels O,B-DRUG,... names "
            f"them in this order, or --outside {names[0]} takes them as they are"
        )
    labels = detect(names, scheme=told.scheme, outside=told.outside, entity=told.entity, rename=told.rename)
    request.progress(describe(labels))
    return labels


def _check_windows(told: Overrides, config: Any) -> None:
    """Refuse windows that the model cannot read, before its weights are loaded."""
    most = max_content_tokens(config.to_dict())
    if told.window is not None and told.window > most:
        raise ExportError(f"--window is {told.window} tokens, and the model reads at most {most}")
    check_window(min(DEFAULT_WINDOW, most) if told.window is None else told.window, told.overlap)
    if told.aggregation not in AGGREGATIONS:
        raise ExportError(f"--aggregation is {told.aggregation!r}: expected one of {', '.join(AGGREGATIONS)}")


def _tell_crf(loaded: Checkpoint, request: _Request) -> None:
    """Say that a CRF decides the labels, and refuse another aggregation than the default beside it."""
    told = request.overrides.aggregation
    if loaded.crf is None:
        return
    if told != AGGREGATIONS[0]:
        raise ExportError(
            f"--aggregation is {told!r}, and this checkpoint's CRF decides the labels: leave it out"
        )
    request.progress("a CRF decides the labels, over the whole note")


def describe(labels: LabelSet) -> str:
    """Describe what was detected in the label names, for a person to check before the long part begins."""
    names = [repr(name) for name in labels.entities]
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"labels: {len(names)} entities ({shown}), scheme {labels.scheme}, outside {labels.outside!r}"


def check_extra() -> None:
    """Refuse to begin without the packages of the `export` extra, or with versions that are too old.

    Raises:
        MissingDependencyError: the message names them.
    """
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"{', '.join(missing)} is not installed: exporting needs {installing('export')}"
        )
    for name, oldest in _OLDEST.items():
        installed = metadata.version(name)
        if _numbers(installed) < _numbers(oldest):
            raise MissingDependencyError(
                f"{name} {installed} is installed, and exporting needs {oldest} or newer: "
                "pip install --upgrade 'clinspan[export]'"
            )


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor number of a version."""
    return tuple(int(part) for part in version.split(".")[:2])


def _check_request(request: _Request, source: str, force: bool) -> None:
    check_precisions(request.precisions)
    check_range(request.overrides.reduced_range, request.precisions)
    fp32.check_exporter(request.overrides.exporter)
    if request.checks.tune_on is not None and request.overrides.window is not None:
        raise ExportError("--window and --tune exclude each other: tuning chooses the window")
    check_target(request.target, [source, *request.checks.files], force=force)
    check_report(request.checks.report)


def check_precisions(precisions: Sequence[str]) -> None:
    """Refuse precisions that there are not.

    Raises:
        ExportError: one is unknown, or the list is empty.
    """
    unknown = sorted(set(precisions) - set(FILES))
    if unknown or not precisions:
        raise ExportError(f"precisions are {list(precisions)}: expected some of {', '.join(PRECISIONS)}")


def check_range(reduced: bool, precisions: Sequence[str]) -> None:
    """Refuse a range of int8 weights for a bundle without them.

    Raises:
        ExportError: int8 is not among the precisions.
    """
    if reduced and "int8" not in precisions:
        raise ExportError(f"--reduced-range is for int8, and the bundle would hold {', '.join(precisions)}")


def stages(progress: Progress, *, total: int) -> Progress:
    """Number the lines of progress."""
    number = 0

    def stage(line: str) -> None:
        nonlocal number
        number += 1
        progress(f"[{number}/{total}] {line}")

    return stage


def _build(loaded: Checkpoint, labels: LabelSet, folder: Path, request: _Request, stage: Progress) -> Bundle:
    folder.mkdir()
    config = loaded.model.config
    config.id2label = dict(enumerate(labels.names))
    config.label2id = {name: number for number, name in enumerate(labels.names)}
    with quiet():  # transformers warns of settings of old configurations
        config.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    keep_tokenizer_files(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    max_window, overrides = max_content_tokens(config), request.overrides
    window = min(DEFAULT_WINDOW, max_window) if overrides.window is None else overrides.window
    _write_graphs(loaded, folder, request, window, stage)
    bundle = Bundle(
        path=folder,
        name=Path(loaded.source).resolve().name,
        head=labels,
        models={precision: write_weights_beside(folder, FILES[precision]) for precision in request.made},
        tokenizer=record_file(folder, "tokenizer.json"),
        window=window,
        overlap=overrides.overlap,
        max_window=max_window,
        aggregation=overrides.aggregation if loaded.crf is None else CRF,
        crf=loaded.crf,
        provenance=provenance(_timed(loaded, folder, request, window), config, overrides.exporter),
        whole_words=overrides.whole_words,
        reduced_range=overrides.reduced_range and "int8" in request.made,
    )
    bundle.write_manifest()
    return bundle


def _write_graphs(loaded: Checkpoint, folder: Path, request: _Request, window: int, stage: Progress) -> None:
    import_converters()
    stage(f"writing fp32 ONNX, by {request.overrides.exporter}")
    source = folder / FILES["fp32"]
    fp32.write_fp32(loaded, source, request.overrides.exporter)
    if "int8" in request.made:
        seen = request.checks.calibration()[:_CALIBRATION_NOTES]
        stage(f"writing int8 ONNX, calibrated on {len(seen)} notes")
        inputs = feeds(Tokenizer(folder / "tokenizer.json"), [note.text for note in seen], window=window)
        with converting("int8"):
            how = int8.Quantization(reduce_range=request.overrides.reduced_range)
            int8.write_int8(source, folder / FILES["int8"], inputs, how=how)
    if "fp16" in request.made:
        stage("writing fp16 ONNX")
        with converting("fp16"):
            fp16.write_fp16(source, folder / FILES["fp16"])


def _timed(loaded: Checkpoint, folder: Path, request: _Request, window: int) -> Checkpoint:
    """A pruned checkpoint whose record says how much faster it is than the original, int8 where that is made."""
    if loaded.original is None:
        return loaded
    request.progress("writing the unpruned model as well, to compare the speed")
    precision = "int8" if "int8" in request.made else "fp32"
    seen = [note.text for note in request.checks.calibration()]
    windows = feeds(Tokenizer(folder / "tokenizer.json"), seen, window=window)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        shutil.copy(folder / "tokenizer.json", work)
        _write_graphs(replace(loaded, model=loaded.original), Path(work), request, window, lambda _: None)
        before, after = Path(work, FILES[precision]), folder / FILES[precision]
        times = speedup(before, after, [feed["input_ids"] for feed in islice(windows, _TIMED_WINDOWS)])
    record = {**loaded.pruned, "speedup": round(times, 3), "speedup_of": precision}
    return replace(loaded, pruned=record)


def _verify(loaded: Checkpoint, bundle: Bundle, request: _Request, stage: Progress) -> Bundle:
    """Tune the windows where asked, hold the bundle to its limits, and keep the precisions that were asked for."""
    checks = request.checks
    stage("comparing the fp32 graph with PyTorch on single tokens, full windows and padded batches")
    check_batches(loaded.model, bundle)
    if checks.tune_on is not None:
        stage(f"tuning windows on {len(checks.tune_on)} notes of {checks.tune_source}")
        bundle = tune(
            bundle,
            checks.tune_on,
            source=checks.tune_source,
            margin=checks.tune_margin,
            progress=request.progress,
        )
        bundle.write_manifest()  # what follows reads the bundle as its users will
    bundle = timed(bundle)
    stage(f"comparing with PyTorch on {len(checks.samples)} notes ({checks.source})")
    bundle = judge(
        loaded.model if loaded.original is None else loaded.original,
        bundle,
        checks,
        keep=request.precisions,
        progress=request.progress,
        written_from=None if loaded.original is None else loaded.model,
    )
    bundle = write_card(keep(bundle, request.precisions))
    bundle.write_manifest()
    return bundle


def timed(bundle: Bundle) -> Bundle:
    """The bundle whose provenance says how long a window takes each model that is for CPUs."""
    graphs = {name: bundle.path / record.path for name, record in bundle.models.items() if name != "fp16"}
    times = window_ms(graphs, bundle.window)
    return replace(bundle, provenance={**bundle.provenance, "window_ms": times})


@contextmanager
def converting(precision: str) -> Iterator[None]:
    """Turn what a conversion raises into one clear line."""
    try:
        yield
    except (OSError, ClinspanError):
        raise
    except Exception as error:
        raise ExportError(
            f"cannot convert the model to {precision} ({type(error).__name__}: {first_line(error)})"
        ) from error


def keep_tokenizer_files(folder: Path) -> None:
    """Remove vocabularies, which repeat tokenizer.json: the runtime reads that alone, and others its config."""
    if not (folder / "tokenizer.json").is_file():
        raise ExportError("transformers wrote no tokenizer.json for this tokenizer")
    kept = {"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    for path in folder.iterdir():
        if path.is_file() and path.name not in kept:
            path.unlink()
    _name_for_all_versions(folder / "tokenizer_config.json")


def _name_for_all_versions(path: Path) -> None:
    """Write what transformers 5 calls otherwise under the names that version 4 and optimum know, and 5 still reads."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    if settings.get("tokenizer_class") == BACKEND:
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(settings.get(EXTRA_TOKENS), list):
        settings["additional_special_tokens"] = settings.pop(EXTRA_TOKENS)
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def keep(bundle: Bundle, precisions: Sequence[str]) -> Bundle:
    """Remove the models of other precisions."""
    for precision, record in bundle.models.items():
        if precision not in precisions:
            (bundle.path / record.path).unlink()
            (bundle.path / (record.path + DATA_SUFFIX)).unlink(missing_ok=True)
    return replace(bundle, models={p: r for p, r in bundle.models.items() if p in precisions})
