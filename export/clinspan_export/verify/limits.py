"""Hold a bundle to the limits that its caller sets on what quantization may cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clinspan.documents.scores import Evaluation
from clinspan_export.errors import ExportError, LimitError
from clinspan_export.verify.compare import TOLERANCE, Agreement

# Span agreement with PyTorch below which a model that is kept warns, where the caller sets no limit.
WARN_BELOW = 0.95


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits beyond which an export fails; None for no limit.

    Attributes:
        min_agreement: least span agreement with PyTorch (0 to 1) of every precision kept.
        max_f1_loss: most F1 against gold that any precision kept may lose to PyTorch.
    """

    min_agreement: float | None = None
    max_f1_loss: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("min-agreement", self.min_agreement), ("max-f1-loss", self.max_f1_loss)):
            if value is not None and not 0 <= value <= 1:
                raise ExportError(f"--{name} is {value}: expected a number from 0 to 1")


def check_fp32(agreement: Agreement) -> None:
    """Hold the fp32 model to the original, logit by logit.

    Raises:
        ExportError: it differs by more than the tolerance.
    """
    if agreement.max_logit_difference > TOLERANCE or agreement.flipped:
        raise ExportError(
            "the fp32 ONNX model is not the PyTorch model: logits differ by "
            f"{agreement.max_logit_difference:.2g} (allowed {TOLERANCE:g}), {agreement.flipped} decided labels differ"
        )


def check_agreement(limits: Limits, agreement: Agreement) -> None:
    """Hold a precision to the least span agreement.

    Raises:
        LimitError: it agrees less; the message names the labels that suffered.
    """
    if limits.min_agreement is None or agreement.total.agreement >= limits.min_agreement:
        return
    suffered = sorted(
        (item for item in agreement.labels.items() if item[1].agreement < limits.min_agreement),
        key=lambda item: item[1].agreement,
    )
    raise LimitError(
        f"{agreement.precision} agrees with PyTorch on {agreement.total.agreement:.3f} of spans, below "
        f"--min-agreement {limits.min_agreement:g}; suffered: "
        + _listed(
            f"{label} {counts.agreement:.3f} ({counts.lost} lost, {counts.gained} gained)"
            for label, counts in suffered
        )
    )


def low_agreement(kept: Sequence[Agreement], limits: Limits) -> list[str]:
    """List in words the precisions that agree less than `WARN_BELOW`, where the caller sets no limit."""
    if limits.min_agreement is not None:
        return []
    return [
        f"{one.precision} agrees with PyTorch on {one.total.agreement:.3f} of spans, below {WARN_BELOW:g}: measure it on "
        "your own notes before you use it, or set --min-agreement"
        for one in kept
        if one.total.agreement < WARN_BELOW
    ]


def check_f1(limits: Limits, precision: str, original: Evaluation, found: Evaluation) -> None:
    """Hold a precision to the most F1 it may lose.

    Args:
        limits: the limits.
        precision: of the ONNX model.
        original: scores of the PyTorch model.
        found: scores of the ONNX model.

    Raises:
        LimitError: it loses more; the message names the labels that suffered.
    """
    before, after = original.micro["exact"].f1, found.micro["exact"].f1
    loss = before - after
    if limits.max_f1_loss is None or loss <= limits.max_f1_loss:
        return
    losses = {
        label: score.f1 - found.by_label["exact"][label].f1
        for label, score in original.by_label["exact"].items()
    }
    suffered = sorted((item for item in losses.items() if item[1] > 0), key=lambda item: -item[1])
    raise LimitError(
        f"{precision} has F1 {after:.4f}, and PyTorch {before:.4f}: it loses {loss:.4f}, more than "
        f"--max-f1-loss {limits.max_f1_loss:g}; suffered: "
        + _listed(f"{label} -{lost:.4f}" for label, lost in suffered)
    )


def _listed(items: Iterable[str]) -> str:
    rows = list(items)
    return ", ".join(rows[:8]) + (f" and {len(rows) - 8} more" if len(rows) > 8 else "")
