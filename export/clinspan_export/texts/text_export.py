"""The story of an export for whole texts: load, trace, derive the rest, compare with the original, move into place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from clinspan.bundle.hub_folder import max_content_tokens
from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import Bundle
from clinspan.bundle.tasks import ANSWERS, task_of, width_of
from clinspan.documents.labelled import LabelledText
from clinspan.text.merge import Scoring
from clinspan.text.tokenizer import Tokenizer
from clinspan.textfiles import write_whole
from clinspan.texts import Text
from clinspan_export.checkpoint import Trust
from clinspan_export.errors import ExportError
from clinspan_export.exporter import (
    FILES,
    check_extra,
    check_precisions,
    check_range,
    converting,
    keep,
    keep_tokenizer_files,
    named,
    stages,
    timed,
)
from clinspan_export.graphs import fp16, int8
from clinspan_export.graphs.weights_beside import write_weights_beside
from clinspan_export.inspection.output_folder import check_target
from clinspan_export.provenance import provenance
from clinspan_export.quiet import Progress
from clinspan_export.texts.text_checkpoint import TextCheckpoint, TextOverrides, load_text_checkpoint
from clinspan_export.texts.text_compare import (
    TOLERANCE,
    TextLimits,
    check_text_limits,
    check_text_shapes,
    compare_texts,
    text_feeds,
    tokenized_texts,
    torch_texts,
)
from clinspan_export.texts.tune_merge import tune_merge
from clinspan_export.verify.card import write_card
from clinspan_export.verify.samples import OWN_SAMPLES, own_samples

_CALIBRATION_TEXTS = 64
# Short enough for any model's window.
_FIRST_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class TextChecks:
    """The texts that a bundle is judged on, and the limits it is held to.

    Attributes:
        texts: texts or pairs; none for a few notes of our own.
        source: name of these texts in reports.
        gold: labels that annotators gave each of them; None where nobody did.
        limits: limits beyond which the export fails.
        tune_on: texts with labels, to choose on how windows are merged; none to keep what the checkpoint says.
        tune_source: their name, for the manifest.
        files: where the texts were read from, which the export must not replace.
    """

    texts: Sequence[Text] = ()
    source: str = OWN_SAMPLES
    gold: Sequence[frozenset[str]] | None = None
    limits: TextLimits = field(default_factory=TextLimits)
    tune_on: Sequence[LabelledText] = ()
    tune_source: str = ""
    files: tuple[Path, ...] = ()


def export_texts(
    source: str,
    out: str | Path,
    *,
    precisions: Sequence[str] = ("fp32", "int8"),
    checks: TextChecks | None = None,
    overrides: TextOverrides | None = None,
    trust: Trust | None = None,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> Bundle:
    """Turn a classifier of texts or an encoder into a bundle.

    Args:
        source: local folder or Hub id of a sequence classification checkpoint or of an encoder, or a folder of
            sentence-transformers.
        out: folder to make.
        precisions: which models the bundle keeps, of `fp32`, `int8` and `fp16`.
        checks: texts to compare the models on, and limits; None for a few notes of our own.
        overrides: task, pooling, merging and windows, where the caller knows better than detection.
        trust: revision of a Hub id, which the manifest records, and what the checkpoint may do.
        force: replace `out` where it exists.
        progress: told each stage in a line.

    Returns:
        The bundle in its place.

    Raises:
        ExportError: the export failed; nothing is left behind.
        MissingDependencyError: the `export` extra is not installed.
    """
    # More than 40 lines with the options' documentation; the story itself is a few.
    check_extra()
    target, checks, overrides = named(Path(out)), checks or TextChecks(), overrides or TextOverrides()
    check_precisions(precisions)
    check_range(overrides.reduced_range, precisions)
    check_target(target, [source, *checks.files], force=force)
    made = [name for name in FILES if name in {"fp32", *precisions}]
    stage = stages(progress, total=4 + len(made) + bool(checks.tune_on))
    if checks.limits.max_f1_loss is not None and checks.gold is None:
        raise ExportError("--max-f1-loss needs --notes with labels: loss is measured against them")
    stage(f"loading {source}")
    checkpoint = load_text_checkpoint(source, trust or Trust(), overrides)
    progress(describe_head(checkpoint))
    texts = checks.texts or _own_texts(checkpoint)
    try:
        with write_whole(target) as folder:
            bundle = _build(checkpoint, source, folder, made, overrides)
            _write_graphs(checkpoint, bundle, made, texts, stage)
            bundle = _recorded(bundle, made)
            bundle = _judge(checkpoint, bundle, replace(checks, texts=texts), precisions, stage, progress)
            stage(f"moving the bundle to {target}")
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror or type(error).__name__}") from error
    return replace(bundle, path=target)


def describe_head(checkpoint: TextCheckpoint) -> str:
    """Describe what was detected, for a person to check before the long part begins."""
    head = checkpoint.head
    if isinstance(head, Scoring):
        shown = ", ".join(head.names[:20]) + (
            f" and {len(head.names) - 20} more" if len(head.names) > 20 else ""
        )
        return f"labels: {len(head.names)} ({shown}), {head.problem}{', of pairs' if head.pairs else ''}"
    length = "length 1" if head.normalize else "their own length"
    return f"vectors: {head.dimension} numbers, pooled by {head.pooling}, of {length}"


def _own_texts(checkpoint: TextCheckpoint) -> list[Text]:
    """Notes of our own; for a model of pairs, each behind its own first line."""
    notes = [sample.text for sample in own_samples()]
    if isinstance(checkpoint.head, Scoring) and checkpoint.head.pairs:
        return [(note.strip().partition("\n")[0][:_FIRST_CHARACTERS], note) for note in notes]
    return list(notes)


def _build(
    checkpoint: TextCheckpoint, source: str, folder: Path, made: Sequence[str], overrides: TextOverrides
) -> Bundle:
    """The folder with all but its graphs."""
    folder.mkdir()
    loaded = checkpoint.loaded
    loaded.model.config.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    keep_tokenizer_files(folder)
    config: dict[str, Any] = loaded.model.config.to_dict()
    return Bundle(
        path=folder,
        name=Path(source).resolve().name,
        head=checkpoint.head,
        models={},
        tokenizer=record_file(folder, "tokenizer.json"),
        window=checkpoint.window if overrides.window is None else overrides.window,
        overlap=overrides.overlap,
        max_window=max_content_tokens(config),
        reduced_range=overrides.reduced_range and "int8" in made,
        provenance=provenance(loaded, config),
    )


def _write_graphs(
    checkpoint: TextCheckpoint, bundle: Bundle, made: Sequence[str], texts: Sequence[Text], stage: Progress
) -> None:
    from clinspan_export.graphs.trace import trace

    folder = bundle.path
    fp32 = folder / FILES["fp32"]
    stage("writing fp32 ONNX")
    trace(
        checkpoint.module,
        fp32,
        ANSWERS[task_of(checkpoint.head)].output,
        typed=checkpoint.typed,
        per_token=False,
        padding=checkpoint.loaded.tokenizer.pad_token_id,
    )
    if "int8" in made:
        seen = tokenized_texts(bundle, texts[:_CALIBRATION_TEXTS])
        stage(f"writing int8 ONNX, calibrated on {len(seen)} texts")
        inputs = [
            {name: rows for name, rows in feed.items() if checkpoint.typed or name != "token_type_ids"}
            for feed in text_feeds(Tokenizer(folder / "tokenizer.json"), seen)
        ]
        with converting("int8"):
            how = int8.Quantization(reduce_range=bundle.reduced_range)
            int8.write_int8(fp32, folder / FILES["int8"], inputs, how=how)
    if "fp16" in made:
        stage("writing fp16 ONNX")
        with converting("fp16"):
            fp16.write_fp16(fp32, folder / FILES["fp16"])


def _recorded(bundle: Bundle, made: Sequence[str]) -> Bundle:
    bundle = replace(bundle, models={name: write_weights_beside(bundle.path, FILES[name]) for name in made})
    bundle.write_manifest()
    return bundle


def _judge(
    checkpoint: TextCheckpoint,
    bundle: Bundle,
    checks: TextChecks,
    precisions: Sequence[str],
    stage: Progress,
    progress: Progress,
) -> Bundle:
    """Compare every model with the original, hold those that stay to the limits, and write the manifest."""
    stage("comparing the fp32 graph with PyTorch on single tokens, full windows and padded batches")
    assert width_of(bundle.head) > 0
    check_text_shapes(checkpoint, bundle)
    if checks.tune_on:
        stage(f"choosing how windows are merged on {len(checks.tune_on)} texts ({checks.tune_source})")
        bundle = tune_merge(bundle, checks.tune_on, source=checks.tune_source, progress=progress)
    stage(f"comparing with PyTorch on {len(checks.texts)} texts ({checks.source})")
    texts = tokenized_texts(bundle, checks.texts)
    reference = torch_texts(checkpoint, bundle, texts, progress)
    parity: dict[str, Any] = {
        "source": checks.source,
        "texts": len(texts),
        "tolerance": TOLERANCE,
        "limits": asdict(checks.limits),
    }
    for precision in bundle.models:
        found = compare_texts(bundle, precision, texts, reference, progress, checks.gold)
        progress(f"{precision}: {found.line()}")
        # fp32 is held to the original also where it does not stay.
        check_text_limits(precision, found, checks.limits if precision in precisions else TextLimits())
        parity[precision] = {name: value for name, value in asdict(found).items() if value is not None}
    bundle = write_card(keep(timed(replace(bundle, parity=parity)), precisions))
    bundle.write_manifest()
    return bundle
