"""Turn any checkpoint that clinspan reads into a bundle, by what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clinspan.bundle.manifest import Bundle
from clinspan.bundle.tasks import TOKENS
from clinspan_export import exporter
from clinspan_export.checkpoint import Trust
from clinspan_export.errors import ExportError
from clinspan_export.exporter import Overrides, check_extra
from clinspan_export.quiet import Progress
from clinspan_export.texts.text_checkpoint import TextOverrides, detect_task
from clinspan_export.texts.text_export import TextChecks, export_texts
from clinspan_export.verify.verdict import Checks


def export(
    source: str,
    out: str | Path,
    *,
    precisions: Sequence[str] = ("fp32", "int8"),
    checks: Checks | TextChecks | None = None,
    overrides: Overrides | TextOverrides | None = None,
    trust: Trust | None = None,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> Bundle:
    """Turn a checkpoint into a bundle: one for entities, a classifier of texts, or an encoder.

    Args:
        source: local folder or Hub id of a checkpoint, or a folder of sentence-transformers.
        out: folder to make.
        precisions: which models the bundle keeps, of `fp32`, `int8` and `fp16`.
        checks: what the models are compared on, and limits: `Checks` for entities, `TextChecks` for the others.
        overrides: what the caller knows better than detection: `Overrides` for entities, `TextOverrides` for the others.
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
    check_extra()
    asked = overrides.task if isinstance(overrides, TextOverrides) else None
    task = asked or detect_task(source, trust or Trust())
    if task == TOKENS:
        if isinstance(checks, TextChecks) or isinstance(overrides, TextOverrides):
            raise ExportError(
                f"{source} is a model for entities: its checks and overrides are Checks and Overrides"
            )
        return exporter.export(
            source, out, precisions=precisions, checks=checks, overrides=overrides, trust=trust, force=force,
            progress=progress,
        )  # fmt: skip
    if isinstance(checks, Checks) or isinstance(overrides, Overrides):
        raise ExportError(
            f"{source} is a model for {task}: its checks and overrides are TextChecks and TextOverrides"
        )
    return export_texts(
        source, out, precisions=precisions, checks=checks, overrides=overrides, trust=trust, force=force,
        progress=progress,
    )  # fmt: skip
