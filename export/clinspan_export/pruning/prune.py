"""Prune a checkpoint in one pass over some notes: rank its units, take out the least, fit what is left to the original."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinspan_export.checkpoint import Checkpoint
from clinspan_export.errors import ExportError
from clinspan_export.pruning.choose import choose
from clinspan_export.pruning.cost import unit_costs
from clinspan_export.pruning.fisher import information
from clinspan_export.pruning.parts import find_parts, take_out, widths
from clinspan_export.pruning.refit import refit
from clinspan_export.quiet import Progress
from clinspan_export.train.windows import token_windows

# Their hidden states are held while the layers are fitted: 300 MB for a BERT-base.
MOST_WINDOWS = 128
# Fewer cannot decide between thousands of neurons.
_LEAST_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class Ranked:
    """The ranks and statistics from which pruning takes any share.

    Attributes:
        windows: token ids, int64 (t,) each, special tokens included.
        costs: time of one head and of one neuron, as multiples of a neuron's.
        information: of the units of each part, float64 (units,).
    """

    windows: Sequence[NDArray[np.int64]]
    costs: Mapping[str, float]
    information: Sequence[NDArray[np.float64]]


def look_at(loaded: Checkpoint, notes: Iterable[str], progress: Progress) -> Ranked:
    """Read windows of some notes, and find what the units of a model cost and give.

    Args:
        loaded: the original.
        notes: text; only as many are read as are needed.
        progress: told what was measured.

    Raises:
        ExportError: the model cannot be pruned, or the notes are too few.
    """
    parts = find_parts(loaded.model)
    windows = list(islice(token_windows(loaded, notes), MOST_WINDOWS))
    tokens = sum(map(len, windows))
    if tokens < _LEAST_TOKENS:
        raise ExportError(
            f"pruning has seen {tokens} tokens of notes: it needs at least {_LEAST_TOKENS}, better 20,000 "
            "(--notes or --calibrate)"
        )
    costs = unit_costs(parts)
    shown = ", ".join(f"one of its {kind} costs {cost:g}" for kind, cost in sorted(costs.items()))
    progress(f"pruning: {len(windows)} windows, {tokens:,} tokens; in time {shown}")
    return rank(loaded, windows, costs)


def rank(loaded: Checkpoint, windows: Sequence[NDArray[np.int64]], costs: Mapping[str, float]) -> Ranked:
    """Find what each unit of a model gives, over some windows."""
    return Ranked(windows, costs, information(loaded.model, find_parts(loaded.model), windows))


def prune(loaded: Checkpoint, ranked: Ranked, share: float) -> Checkpoint:
    """Take heads and neurons out of a copy of a checkpoint.

    Args:
        loaded: the original.
        ranked: from `look_at`.
        share: of the time of all heads and neurons, to take away, above 0 and below 1.

    Returns:
        The pruned checkpoint, which remembers the original.

    Raises:
        ExportError: the share makes no sense, or the model cannot be pruned.
    """
    check_share(share)
    model = copy.deepcopy(loaded.model)
    parts = find_parts(model)
    whole = sum(part.units * ranked.costs[part.kind] for part in parts)
    keep = choose([part.kind for part in parts], ranked.information, ranked.costs, share)
    for part, units in zip(parts, keep, strict=True):
        take_out(part, units)
    refit(loaded.model, model, ranked.windows)
    parts = find_parts(model)
    left = sum(part.units * ranked.costs[part.kind] for part in parts)
    neurons, heads = widths(parts, "neurons"), widths(parts, "heads")
    _describe(model.config, neurons, heads)
    record = {
        "share": share,
        "share_taken": round(1 - left / whole, 4),
        "from_sha256": loaded.sha256,
        "parameters_before": sum(p.numel() for p in loaded.model.parameters()),
        "neurons": neurons,
        "heads": heads,
        "costs": dict(ranked.costs),
        "windows": len(ranked.windows),
        "method": "Fisher information of masks, second matrices fitted by least squares",
    }
    return replace(loaded, model=model, original=loaded.model, pruned=record)


def check_share(share: float) -> None:
    """Refuse a share that leaves nothing, or everything.

    Raises:
        ExportError: it is not above 0 and below 1.
    """
    if not 0 < share < 1:
        raise ExportError(f"--prune is {share:g}: expected a share above 0 and below 1, or auto")


def _describe(config: Any, neurons: Sequence[int], heads: Sequence[int]) -> None:
    """Let config.json say the widths of the layers; the architecture's own fields hold the largest one."""
    names = getattr(config, "attribute_map", {})
    setattr(config, names.get("intermediate_size", "intermediate_size"), max(neurons))
    config.intermediate_sizes = list(neurons)
    if heads:
        config.attention_heads = list(heads)
