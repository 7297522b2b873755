"""Fit the matrices behind what was taken out again, so that each layer gives what the original gave.

Layer by layer, the second matrix and its bias are solved by least squares over windows of the caller's notes: from the
units that stay, as the pruned model computes them, to the sum that the original normalizes. So every layer also makes
up for what the layers before it lost. This contains the mask tuning of Kwon et al. 2022 (arXiv:2204.09656), which
solves for one factor a unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clinspan_export.pruning.parts import Sublayer, find_layers, find_parts, set_leave

# Of the mean square of the units: pulls what the windows do not decide towards the weights as they were.
_RIDGE = 1e-3


@dataclass(slots=True)
class _Window:
    """The arguments of a layer for one window, its hidden states, and the sums of the original in it, float32 (t, d).

    Attributes:
        args, named: of the layers, hidden states left out.
        original, pruned: hidden states that enter, float32 (1, t, d).
        sums: of the layer that is being fitted, by kind of part.
    """

    args: tuple[Any, ...]
    named: dict[str, Any]
    original: torch.Tensor
    pruned: torch.Tensor
    sums: dict[str, torch.Tensor] = field(default_factory=dict)


def refit(original: Any, pruned: Any, windows: Sequence[NDArray[np.int64]]) -> None:
    """Fit the second matrices of a pruned model to the original, in place.

    Args:
        original: the model before.
        pruned: a copy of it from which units were taken out.
        windows: token ids, int64 (t,), special tokens included; their hidden states are kept, 16 * t * d bytes each.
    """
    layers = list(zip(find_layers(original), find_layers(pruned), strict=True))
    whole, cut = find_parts(original), find_parts(pruned)
    with torch.no_grad():
        state = [_entering(original, ids) for ids in windows]
        for number, (before, after) in enumerate(layers):
            for window in state:
                with ExitStack() as watched:
                    parts = [part for part in whole if part.layer == number]
                    seen = {part.kind: watched.enter_context(_watching(part)) for part in parts}
                    window.original = _run(before, window.original, window)
                    window.sums = {kind: found["out"] + found["rest"] for kind, found in seen.items()}
            for part in cut:
                if part.layer == number:
                    _fit(after, part, state)
            for window in state:
                window.pruned = _run(after, window.pruned, window)


def _fit(layer: Any, part: Sublayer, state: Sequence[_Window]) -> None:
    """Solve for one second matrix."""
    matrix = part.leave
    start = torch.cat([matrix.weight, matrix.bias[:, None]], dim=1).T.double()
    square = torch.zeros(len(start), len(start), dtype=torch.float64)
    product = torch.zeros_like(start)
    for window in state:
        with _watching(part) as found:
            _run(layer, window.pruned, window)
        units = torch.cat([found["units"], torch.ones(len(found["units"]), 1)], dim=1)
        square += units.T @ units
        # What entered may differ from what entered the original: the matrix answers for that as well.
        product += units.T @ (window.sums[part.kind] - found["rest"])
    ridge = _RIDGE * square.diagonal().mean() * torch.eye(len(start), dtype=torch.float64)
    solved = torch.linalg.solve(square + ridge, product + ridge @ start).float()
    set_leave(part, solved[:-1].T.contiguous(), solved[-1])


@contextmanager
def _watching(part: Sublayer) -> Iterator[dict[str, torch.Tensor]]:
    """Collect, of the next run, what enters and leaves a part's second matrix, and the rest of the sum behind it."""
    seen: dict[str, torch.Tensor] = {}

    def leave(_: Any, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        seen["units"], seen["out"] = args[0][0], out[0]
        seen.setdefault("rest", torch.zeros_like(out[0]))

    def norm(_: Any, args: tuple[torch.Tensor, ...]) -> None:
        seen["rest"] = args[0][0] - seen["out"]

    hooks = [part.leave.register_forward_hook(leave)]
    if part.norm is not None:
        hooks.append(part.norm.register_forward_pre_hook(norm))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _entering(model: Any, window: NDArray[np.int64]) -> _Window:
    """How the first layer is called for a window."""
    found: list[_Window] = []

    def enter(_: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        hidden = args[0] if args else named.pop("hidden_states")
        found.append(_Window(args[1:], named, hidden, hidden))
        raise _ReachedError

    hook = find_layers(model)[0].register_forward_pre_hook(enter, with_kwargs=True)
    ids = torch.from_numpy(window)[None]
    try:
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    except _ReachedError:
        pass
    finally:
        hook.remove()
    return found[0]


class _ReachedError(Exception):
    """The first layer was reached."""


def _run(layer: Any, hidden: torch.Tensor, window: _Window) -> torch.Tensor:
    """A layer's output, float32 (1, t, d)."""
    out = layer(hidden, *window.args, **window.named)
    result: torch.Tensor = out[0] if isinstance(out, tuple) else out
    return result
