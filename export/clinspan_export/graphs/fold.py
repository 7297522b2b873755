"""Fold constant factors of an ONNX graph into its weights, so that no run computes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan_export.graphs.surgery import Graph, biased_product, probe, with_branches

_MOVES = {"Reshape", "Transpose"}
# Two batches that share no dimension: a factor that is the same for both depends on neither.
_SHAPES = ((1, 8), (3, 13))


def fold_scales(graph: Graph, work: Path) -> int:
    """Fold constant factors of queries and keys into the matrices that make them; returns how many.

    PyTorch's attention multiplies both by the fourth root of 1/d before their product: two passes in every
    layer, and a handful of nodes that work the factor out from a shape.
    """
    found = []
    for node in graph.model.graph.node:
        if node.op_type != "Mul":
            continue
        for value, factor in (tuple(node.input), tuple(node.input)[::-1]):
            entry = _behind_moves(graph, value)
            if entry is not None:
                found.append((node, value, factor, entry))
    factors = _constant_factors(graph, sorted({factor for _, _, factor, _ in found}), work)
    folded = [
        (node, value, factors[factor], entry) for node, value, factor, entry in found if factor in factors
    ]
    for node, value, factor, entry in folded:
        for name in entry:
            graph.set_weight(name, (graph.weights[name] * factor).astype(np.float32))
        graph.replace(node.output[0], value)
        graph.model.graph.node.remove(node)
    _remove_unread(graph)
    return len(folded)


def _remove_unread(graph: Graph) -> None:
    """Remove nodes whose outputs nothing reads; onnxruntime would go on computing them."""
    nodes = graph.model.graph.node
    wanted = {output.name for output in graph.model.graph.output}
    for node in reversed(list(nodes)):
        if wanted.isdisjoint(node.output):
            nodes.remove(node)
        else:
            for inner in with_branches(node):
                wanted.update(inner.input)


def _constant_factors(graph: Graph, names: list[str], work: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Values of the tensors that hold one number, the same whatever the model reads."""
    if not names:
        return {}
    feeds = [
        {node.name: np.ones(shape, dtype=np.int64) for node in graph.model.graph.input} for shape in _SHAPES
    ]
    first, second = (
        dict(zip(names, values, strict=True)) for values in probe(graph.model, names, feeds, work)
    )
    return {
        name: first[name].reshape(()).astype(np.float32)
        for name in names
        if first[name].size == second[name].size == 1 and (first[name] == second[name]).all()
    }


def _behind_moves(graph: Graph, name: str) -> tuple[str, str] | None:
    """Weight and bias of the product that a tensor is a rearrangement of, where nothing else reads it."""
    node: Any = graph.producers.get(name)
    while node is not None and node.op_type in _MOVES and _is_read_once(graph, name):
        name = node.input[0]
        node = graph.producers.get(name)
    if node is None or not _is_read_once(graph, name):
        return None
    entry = biased_product(graph, node)
    if entry is None or any(len(graph.consumers(weight)) != 1 for weight in entry[1:]):
        return None
    return entry[1], entry[2]


def _is_read_once(graph: Graph, name: str) -> bool:
    """Whether one node reads a tensor's values; those that ask only for its shape do not count."""
    return len([node for node in graph.consumers(name) if node.op_type != "Shape"]) == 1
