"""The options of an export that make the model smaller first."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from clinspan.bundle.manifest import Bundle
from clinspan.bundle.tasks import TOKENS
from clinspan_export.cli.trust_flags import trust_of
from clinspan_export.errors import ExportError
from clinspan_export.exporter import Overrides
from clinspan_export.quiet import Progress
from clinspan_export.verify.samples import read_samples
from clinspan_export.verify.verdict import Checks


def add_pruning_options(group: argparse._ArgumentGroup) -> None:
    """Add `--prune` and `--recover`."""
    add = group.add_argument
    share = "take away this share of the time that heads and neurons take, or as much as the limits allow"
    add("--prune", metavar="SHARE|auto", help=share)
    recover = "then train the pruned model on these notes, towards the original's own logits"
    add("--recover", metavar="DIR|JSONL", help=recover)


def check_pruning(options: argparse.Namespace, task: str) -> None:
    """Refuse options that would have no effect.

    Raises:
        ExportError: `--recover` without `--prune`, or `--prune` for a task whose models cannot be pruned yet.
    """
    if options.recover is not None and options.prune is None:
        raise ExportError("--recover trains what --prune left: give --prune as well")
    if options.prune is not None and task != TOKENS:
        raise ExportError(f"--prune is for {TOKENS}, and this checkpoint is for {task}")


def run_pruned_export(
    options: argparse.Namespace,
    precisions: Sequence[str],
    checks: Checks,
    overrides: Overrides,
    progress: Progress,
) -> Bundle:
    """Prune and export as the options say."""
    from clinspan_export.pruning.export_pruned import Pruning, export_pruned

    recover_on = None if options.recover is None else read_samples(Path(options.recover))
    return export_pruned(
        options.checkpoint, options.out, Pruning(_share(options.prune), recover_on), precisions=precisions,
        checks=checks, overrides=overrides, force=options.force, progress=progress,
        trust=trust_of(options),
    )  # fmt: skip


def pruned_line(bundle: Bundle) -> list[str]:
    """The line of the summary that says what was pruned, where something was."""
    pruned = bundle.provenance.get("pruned")
    if not pruned:
        return []
    return [
        f"pruned      {pruned['share_taken']:.0%} of the time of heads and neurons taken away; "
        f"{pruned['speedup_of']} runs {pruned['speedup']:.2f}x as fast as unpruned"
    ]


def _share(given: str) -> float | None:
    """The share to prune, None for auto."""
    if given == "auto":
        return None
    try:
        return float(given)
    except ValueError:
        raise ExportError(f"--prune is {given!r}: expected a share such as 0.3, or auto") from None
