"""Choose the units that stay: those that matter most for the time they take, over all layers at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

# Widths that int8 kernels work through without a remainder.
STEP = 32


def choose(
    kinds: Sequence[str],
    information: Sequence[NDArray[np.float64]],
    costs: Mapping[str, float],
    share: float,
) -> list[NDArray[np.intp]]:
    """Choose the units of each part that stay.

    Args:
        kinds: `heads` or `neurons` for each part.
        information: of each unit of each part, float64 (units,).
        costs: time of one head and of one neuron.
        share: of the time of all units, to take away.

    Returns:
        For each part int (k,), in order; at least one head, and neurons in multiples of `STEP`.
    """
    cost = np.concatenate(
        [np.full(len(one), costs[kind]) for kind, one in zip(kinds, information, strict=True)]
    )
    part = np.concatenate([np.full(len(one), number) for number, one in enumerate(information)])
    worth = np.concatenate(information) / cost
    order = np.argsort(worth, kind="stable")
    gone = order[np.cumsum(cost[order]) <= share * cost.sum()]
    left = [len(one) - int((part[gone] == number).sum()) for number, one in enumerate(information)]
    kept = []
    for kind, one, count in zip(kinds, information, left, strict=True):
        count = max(1, count) if kind == "heads" else _rounded(count, len(one))
        kept.append(np.sort(np.argsort(-one, kind="stable")[:count]))
    return kept


def _rounded(count: int, units: int) -> int:
    """The nearest multiple of the step, at least one of it and at most all units."""
    return min(units, max(1, round(count / STEP)) * STEP)
