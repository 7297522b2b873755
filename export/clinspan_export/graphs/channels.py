"""Even out the channels of LayerNorm outputs, so that one int8 scale for a tensor serves all of them.

A channel's middle moves to zero (the shift of Outlier Suppression+, arXiv:2304.09145), which costs nothing when the model
runs, and large channels are divided by a constant that the weights behind them take over (SmoothQuant, arXiv:2211.10438).
Both leave the fp32 function of the graph as it was, up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan_export.graphs.surgery import Feed, Graph, Linear, biased_product, new_node, probe

Floats = npt.NDArray[np.float32]


def ranges(
    model: Any, names: Sequence[str], windows: Iterable[Feed], work: Path
) -> dict[str, tuple[Floats, Floats]]:
    """Smallest and largest value of each channel of some tensors, each float32 (channels,), over all windows."""
    found: dict[str, tuple[Floats, Floats]] = {}
    for values in probe(model, names, windows, work):
        for name, value in zip(names, values, strict=True):
            rows = value.reshape(-1, value.shape[-1])
            low, high = rows.min(axis=0), rows.max(axis=0)
            if name in found:
                low, high = np.minimum(low, found[name][0]), np.maximum(high, found[name][1])
            found[name] = low, high
    return found


def centre(graph: Graph, source: str, middle: Floats) -> bool:
    """Subtract a constant from the output of a LayerNorm and add it back behind everything that reads it.

    The LayerNorm's own bias takes the subtraction, the biases of the products that read the output and of the one
    that the residual sum adds to it take the addition: numbers change, no node does.

    Args:
        graph: edited in place.
        source: output of a LayerNormalization.
        middle: what to subtract, float32 (channels,).

    Returns:
        False, with the graph as it was, where something reads the output in another way.
    """
    norm = graph.producers[source]
    if len(norm.input) < 3 or norm.input[2] not in graph.weights:
        return False
    additions: dict[str, Floats] = {}
    for reader in graph.consumers(source):
        found = None if reader.op_type == "Shape" else _bias_behind(graph, reader, source)
        if found is None and reader.op_type != "Shape":
            return False
        if found is not None:
            bias, weight = found
            additions[bias] = middle if weight is None else middle @ graph.weights[weight]
    biases = [norm.input[2], *additions]
    if any(len(graph.consumers(name)) != 1 for name in biases):
        return False
    graph.set_weight(norm.input[2], graph.weights[norm.input[2]] - middle)
    for name, addition in additions.items():
        graph.set_weight(name, (graph.weights[name] + addition).astype(np.float32))
    return True


def _bias_behind(graph: Graph, reader: Any, source: str) -> tuple[str, str | None] | None:
    """The bias that can give back what a reader of `source` misses, with the reader's weight if it is a product."""
    if reader.op_type == "MatMul" and reader.input[0] == source:
        for after in graph.consumers(reader.output[0]):
            entry = biased_product(graph, after)
            if entry is not None and len(graph.consumers(reader.output[0])) == 1:
                return entry[2], entry[1]
    if reader.op_type == "Add":
        (other,) = [name for name in reader.input if name != source] or [source]
        entry = biased_product(graph, graph.producers[other]) if other in graph.producers else None
        if entry is not None and len(graph.consumers(other)) == 1:
            return entry[2], None
    return None


def smooth(graph: Graph, source: str, linears: Sequence[Linear], largest: Floats, exponent: float) -> None:
    """Divide the channels of a product's input by constants that its weights take over.

    Args:
        graph: edited in place.
        source: input of the products.
        linears: the products.
        largest: largest absolute value of each channel of `source`, float32 (channels,).
        exponent: the part of a channel's range that moves into the weights.
    """
    weights = np.max([np.abs(graph.weights[linear.weight]).max(axis=1) for linear in linears], axis=0)
    tiny = np.float32(1e-5)
    factors = np.maximum(largest, tiny) ** exponent / np.maximum(weights, tiny) ** (1 - exponent)
    factors = np.maximum(factors, tiny).astype(np.float32)
    scaled = f"smooth/{source}"
    graph.set_weight(scaled + "/factors", (1 / factors).astype(np.float32))
    readers = [
        node for node in graph.consumers(source) if node.output[0] in {linear.output for linear in linears}
    ]
    node = new_node("Mul", [source, scaled + "/factors"], scaled)
    graph.insert([node], before=readers[0])
    for reader in readers:
        reader.input[0] = scaled
    for linear in linears:
        graph.set_weight(linear.weight, graph.weights[linear.weight] * factors[:, None])
