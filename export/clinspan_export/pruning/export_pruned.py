"""Export a pruned checkpoint: of a share that was given, or as small as the limits allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clinspan.bundle.manifest import Bundle
from clinspan.documents.document import Document
from clinspan_export import checkpoint as checkpoints
from clinspan_export.checkpoint import Checkpoint, Trust
from clinspan_export.errors import ExportError, LimitError
from clinspan_export.exporter import Overrides, check_precisions, export
from clinspan_export.inspection.output_folder import check_target
from clinspan_export.pruning.prune import check_share, look_at, prune
from clinspan_export.quiet import Progress
from clinspan_export.verify.verdict import Checks

# Tried from the smallest model on.
SHARES = (0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


@dataclass(frozen=True, slots=True)
class Pruning:
    """How much to prune.

    Attributes:
        share: of the time that heads and neurons take, to take away; None for as much as the limits allow.
        recover_on: notes to train the pruned model on, towards the original's own logits; None for no training.
    """

    share: float | None
    recover_on: Sequence[Document] | None = None

    def __post_init__(self) -> None:
        if self.share is not None:
            check_share(self.share)


def export_pruned(
    source: str,
    out: str | Path,
    pruning: Pruning,
    *,
    precisions: Sequence[str] = ("fp32", "int8"),
    checks: Checks,
    overrides: Overrides | None = None,
    trust: Trust | None = None,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> Bundle:
    """Prune a checkpoint and export what is left; it is judged against the original.

    Args:
        source: local folder or Hub id.
        out: folder to make.
        pruning: how much.
        precisions: as in `export`.
        checks: as in `export`; their notes are what pruning looks at, and where all are to be judged on, every
            second note is looked at and the others judge.
        overrides: as in `export`.
        trust: as in `export`.
        force: as in `export`.
        progress: as in `export`.

    Raises:
        ExportError: as for `export`, or no share keeps the limits.
    """
    limits = checks.limits
    if pruning.share is None and limits.min_agreement is None and limits.max_f1_loss is None:
        raise ExportError("--prune auto needs a limit to go to: --min-agreement or --max-f1-loss")
    check_precisions(precisions)
    check_target(Path(out), [source, *checks.files], force=force)
    checks = _apart(checks)
    progress(f"loading {source}")
    loaded = checkpoints.load(source, trust)
    ranked = look_at(loaded, (note.text for note in checks.calibration()), progress)
    broken: LimitError | None = None
    for share in SHARES if pruning.share is None else (pruning.share,):
        progress(f"pruning {share:.0%} of the time that heads and neurons take")
        made = _recovered(prune(loaded, ranked, share), pruning, progress)
        try:
            return export(
                made, out, precisions=precisions, checks=checks, overrides=overrides, force=force,
                progress=progress,
            )  # fmt: skip
        except LimitError as error:
            if pruning.share is not None:
                raise
            progress(f"{share:.0%} is too much: {error}")
            broken = error
    raise ExportError(f"no share from {SHARES[-1]:.0%} on keeps the limits: {broken}") from broken


def _recovered(pruned: Checkpoint, pruning: Pruning, progress: Progress) -> Checkpoint:
    if pruning.recover_on is None:
        return pruned
    from clinspan_export.train.distil import recover

    return recover(pruned, pruning.recover_on, progress)


def _apart(checks: Checks) -> Checks:
    """Checks whose notes to look at and to judge on are not the same."""
    if checks.calibrate_on is not None or checks.tune_on is not None:
        return checks
    if len(checks.samples) < 2:
        raise ExportError("pruning needs two notes or more: one to look at, one to judge the model on")
    return replace(
        checks,
        calibrate_on=checks.samples[::2],
        samples=checks.samples[1::2],
        source=f"{checks.source}, every second note; pruning looked at the others",
    )
