"""Rank neurons and heads by what taking them out would do to the model's answers.

Every unit has a mask that multiplies it by one. The Fisher information of the mask, the mean square of the gradient
of the log-likelihood of labels drawn from the model's own answers, says how fast the answers move away as the mask
goes to zero (Kwon et al. 2022, "A Fast Post-Training Pruning Framework for Transformers", arXiv:2204.09656). No
annotated note is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clinspan_export.pruning.parts import Sublayer


def information(
    model: Any, parts: Sequence[Sublayer], windows: Iterable[NDArray[np.int64]], *, seed: int = 0
) -> list[NDArray[np.float64]]:
    """Estimate the Fisher information of the masks of every unit.

    Args:
        model: in evaluation mode; it is left as it was.
        parts: of this model.
        windows: token ids, int64 (t,), special tokens included; read one by one, so any iterable will do.
        seed: of the labels that are drawn.

    Returns:
        For each part float64 (units,).
    """
    random = torch.Generator().manual_seed(seed)
    masks: list[torch.Tensor] = [torch.ones(part.units, requires_grad=True) for part in parts]
    hooks = [
        part.leave.register_forward_pre_hook(_masking(mask, part.size))
        for part, mask in zip(parts, masks, strict=True)
    ]
    sums = [np.zeros(part.units) for part in parts]
    count = 0
    frozen = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        model.requires_grad_(False)
        for window in windows:
            ids = torch.from_numpy(window)[None]
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].log_softmax(-1)
            drawn = torch.multinomial(logits.exp(), 1, generator=random)
            gradients = torch.autograd.grad(logits.gather(1, drawn).sum(), masks)
            for total, gradient in zip(sums, gradients, strict=True):
                total += gradient.double().numpy() ** 2
            count += 1
    finally:
        for hook in hooks:
            hook.remove()
        for parameter in frozen:
            parameter.requires_grad_(True)
    return [total / max(1, count) for total in sums]


def _masking(mask: torch.Tensor, size: int) -> Any:
    def multiply(_: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (args[0] * mask.repeat_interleave(size), *args[1:])

    return multiply
