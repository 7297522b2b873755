"""`clinspan-export CHECKPOINT OUT` for classifiers of texts and encoders: their options, and the summary at the end."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clinspan.bundle.integrity import whole_size
from clinspan.bundle.manifest import Bundle
from clinspan.bundle.tasks import TEXTS, TOKENS, VECTORS
from clinspan.documents.labelled import holds_labels, read_labelled
from clinspan.text.merge import MERGES, SCALES
from clinspan_export.checkpoint import Trust
from clinspan_export.errors import ExportError
from clinspan_export.quiet import Progress
from clinspan_export.texts.text_checkpoint import POOLING_NAMES, TextOverrides
from clinspan_export.texts.text_compare import TextLimits
from clinspan_export.texts.text_export import TextChecks, export_texts
from clinspan_export.verify.samples import OWN_SAMPLES, read_samples
from clinspan_export.verify.tune_windows import refuse_test_set

# Options of the same command that mean nothing here, and the value of each that was not given.
_OF_ENTITIES: dict[str, object] = {
    "scheme": None,
    "outside": None,
    "entity": None,
    "labels": None,
    "rename": [],
    "report": None,
    "show_text": False,
    "aggregation": "first",
    "exporter": "torch",
}


def add_text_options(group: argparse._ArgumentGroup) -> None:
    """The options that only models for whole texts have."""
    add = group.add_argument
    add("--task", choices=(TOKENS, TEXTS, VECTORS), help="what the checkpoint is for (default: detected)")
    add("--pairs", action="store_true", help="the classifier reads two texts")
    add(
        "--merge",
        choices=MERGES,
        help="how the windows of a long text are merged (mean, or as it was trained)",
    )
    add("--scale", choices=SCALES, help="what is merged (probabilities, or as it was trained)")
    add("--pooling", choices=POOLING_NAMES, help="how an encoder's tokens become a vector (mean)")
    add("--normalize", action="store_true", help="bring an encoder's vectors to length 1")
    add(
        "--label-field",
        metavar="NAME",
        help="field of --notes and --tune that holds labels (label or labels)",
    )
    add("--max-score-change", type=float, metavar="P", help="fail where a label's score changes more")
    add("--min-cosine", type=float, metavar="C", help="fail where vectors are less like PyTorch's on average")


def run_text_export(
    options: argparse.Namespace, precisions: Sequence[str], trust: Trust, progress: Progress
) -> Bundle:
    """Export as the options say; `--task` is that of a text.

    Raises:
        ExportError: an option has no meaning for such a model, or the export failed.
    """
    given = [name for name, default in _OF_ENTITIES.items() if getattr(options, name) != default]
    if given:
        raise ExportError(
            f"--{given[0].replace('_', '-')} is an option for entities, and this is a model for texts"
        )
    overrides = TextOverrides(
        task=options.task,
        window=options.window,
        overlap=options.overlap,
        pairs=options.pairs or None,
        merge=options.merge,
        scale=options.scale,
        pooling=options.pooling,
        normalize=options.normalize or None,
        reduced_range=options.reduced_range,
    )
    return export_texts(
        options.checkpoint,
        options.out,
        precisions=precisions,
        checks=_checks(options),
        overrides=overrides,
        trust=trust,
        force=options.force,
        progress=progress,
    )


def _checks(options: argparse.Namespace) -> TextChecks:
    limits = TextLimits(
        options.min_agreement, options.max_score_change, options.min_cosine, options.max_f1_loss
    )
    checks, field = TextChecks(source=OWN_SAMPLES, limits=limits), options.label_field
    if options.tune is not None:
        path = Path(options.tune)
        tune_on = list(read_labelled(path, label_field=field))
        refuse_test_set(path, [one.id for one in tune_on])
        checks = replace(checks, tune_on=tune_on, tune_source=path.name, files=(path,))
    if options.notes is None:
        return checks
    path = Path(options.notes)
    checks = replace(checks, source=path.name, files=(*checks.files, path))
    if path.is_file() and (options.pairs or field is not None or holds_labels(path)):
        texts = list(read_labelled(path, label_field=field))
        return replace(checks, texts=[one.text for one in texts], gold=[one.labels for one in texts])
    return replace(checks, texts=[one.text for one in read_samples(path)])


def text_summary(bundle: Bundle) -> str:
    """Say what was made and how near it is to the original, in a few lines."""
    parity = bundle.parity
    sizes = ", ".join(f"{name} {whole_size(record) / 1e6:.1f} MB" for name, record in bundle.models.items())
    lines = [f"bundle      {bundle.path}", f"models      {sizes}"]
    lines.append(f"windows     {bundle.window} tokens, overlap {bundle.overlap}")
    lines += [f"{name:<12}{_line(parity[name])}" for name in bundle.models]
    lines.append(f"compared    on {parity['texts']} texts ({parity['source']})")
    command = "embed" if "cosine_mean" in next(parity[name] for name in bundle.models) else "classify"
    lines.append(f"next        clinspan {command} --model {bundle.path} NOTE.txt")
    return "\n".join(lines)


def _line(row: dict[str, float]) -> str:
    if "agreement" in row:
        return f"{row['agreement']:.3f} of labels agree with PyTorch, scores within {row['max_score_change']:.4f}"
    return f"cosine to PyTorch {row['cosine_mean']:.4f} on average, {row['cosine_min']:.4f} at least"
