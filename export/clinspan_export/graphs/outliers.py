"""Move the activations that int8 cannot hold out of its way, before quantizing.

Dynamic quantization gives one scale to a whole activation tensor, so a few huge values cost every other
value its precision. Measured in clinical BERTs there are two kinds (docs/evidence/quantization.md):

- Single neurons of the feed-forward layers, nearly constant and mostly at [CLS], five times as large as
  anything else. These few neurons are computed beside the int8 path in fp32, both of their matrices (the
  idea of LLM.int8(), arXiv:2208.07339, on whole neurons, so that no large tensor is touched).
- Channels of LayerNorm outputs that are large in every note: `clinspan_export.graphs.channels` evens them out.

Both leave the fp32 function of the graph as it was, up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan_export.graphs.channels import centre, ranges, smooth
from clinspan_export.graphs.surgery import Feed, Graph, Linear, biased_product, new_node

Floats = npt.NDArray[np.float32]

_SIDE = "outlier/"
_ELEMENTWISE = {"Add", "Div", "Erf", "Gelu", "Mul", "Pow", "Relu", "Sigmoid", "Sqrt", "Sub", "Tanh"}


@dataclass(frozen=True, slots=True)
class Taming:
    """How outliers are reduced; the measured effect of other values is in docs/evidence/quantization.md.

    Attributes:
        neurons: most neurons of a feed-forward layer that are computed in fp32.
        stands_out: they are, where the largest is at least this many times the first that is left.
        centring: whether the middle of each channel's range becomes zero before smoothing.
        smoothing: SmoothQuant's exponent, the part of a channel's range that moves into the weights; None
            for no smoothing.
    """

    neurons: int = 8
    stands_out: float = 2.0
    centring: bool = True
    smoothing: float | None = 0.75


@dataclass(frozen=True, slots=True)
class Neurons:
    """A feed-forward layer between two matrices: `activation(source @ enter + bias)`.

    Attributes:
        source: tensor that enters.
        enter, bias: names of its weights, (inputs, neurons) and (neurons,).
        root: tensor before the activation.
        nodes: the activation's nodes, in order, all elementwise.
    """

    source: str
    enter: str
    bias: str
    root: str
    nodes: Sequence[Any]


def tame(model: Any, windows: Iterable[Feed], work: Path, *, taming: Taming) -> list[str]:
    """Rewrite a graph in place so that int8 activations lose little.

    Args:
        model: fp32 onnx.ModelProto of an encoder.
        windows: model inputs to calibrate on, one feed each.
        work: folder for a temporary copy of the model.
        taming: how outliers are reduced.

    Returns:
        Names of nodes that must not be quantized.
    """
    graph = Graph(model)
    groups: dict[str, list[Linear]] = {}
    for linear in graph.linears():
        groups.setdefault(linear.source, []).append(linear)
    found = ranges(model, sorted(groups), windows, work)
    kept: list[str] = []
    for source, linears in groups.items():
        if _is_classifier(graph, linears):
            continue  # int8 costs it nothing
        neurons = _neurons(graph, source)
        names = {linear.weight for linear in linears} | ({neurons.enter, neurons.bias} if neurons else set())
        if any(len(graph.consumers(name)) > 1 for name in names):
            continue  # layers that share weights (ALBERT, DeBERTa): what helps one would change the others
        if neurons is not None and len(linears) == 1:
            kept += _bypass(
                graph, neurons, linears[0], np.maximum(-found[source][0], found[source][1]), taming
            )
        elif _is_normalized(graph, source):
            _even_out(graph, source, linears, found[source], taming)
    return kept


def _is_classifier(graph: Graph, linears: Sequence[Linear]) -> bool:
    """Whether a tensor goes into the matrix that makes the logits, and into no other."""
    ends = {output.name for output in graph.model.graph.output}
    behind = {linears[0].output}
    for node in graph.consumers(linears[0].output):
        behind.update(node.output)
    return len(linears) == 1 and not ends.isdisjoint(behind)


def _even_out(
    graph: Graph, source: str, linears: Sequence[Linear], found: tuple[Floats, Floats], taming: Taming
) -> None:
    """Centre and smooth the channels of a LayerNorm output, whose ranges are `found`."""
    low, high = found
    half = np.float32(0.5)
    centred = taming.centring and centre(graph, source, half * (low + high))
    if taming.smoothing is not None:
        largest: Floats = half * (high - low) if centred else np.maximum(-low, high)
        smooth(graph, source, linears, largest, taming.smoothing)


def _neurons(graph: Graph, name: str) -> Neurons | None:
    """Find the feed-forward layer that a tensor comes out of, if it does."""
    nodes: dict[str, Any] = {}
    roots: dict[str, tuple[str, str, str]] = {}
    stack = [name]
    while stack:
        tensor = stack.pop()
        node = graph.producers.get(tensor)
        if node is None or node.op_type not in _ELEMENTWISE or len(nodes) > 16:
            return None
        entry = biased_product(graph, node)
        if entry is not None:
            roots[tensor] = entry
            continue
        nodes[tensor] = node
        stack += [n for n in node.input if n not in nodes and graph.constant(n) is None]
    if len(roots) != 1:
        return None
    ((root, (source, enter, bias)),) = roots.items()
    ordered = [node for node in graph.model.graph.node if node.output[0] in nodes]
    return Neurons(source, enter, bias, root, ordered)


def _is_normalized(graph: Graph, name: str) -> bool:
    node = graph.producers.get(name)
    return node is not None and node.op_type == "LayerNormalization"


def _bypass(graph: Graph, neurons: Neurons, leave: Linear, largest: Floats, taming: Taming) -> list[str]:
    """Compute the neurons that stand out in fp32, beside a product that no longer sees them."""
    order = np.argsort(-largest, kind="stable")
    count = taming.neurons
    if not 0 < count < len(order) or largest[order[0]] < taming.stands_out * largest[order[count]]:
        return []
    chosen = np.sort(order[:count])
    prefix = f"{_SIDE}{leave.output}/"
    enter, bias = graph.weights[neurons.enter], graph.weights[neurons.bias]
    exit_ = graph.weights[leave.weight]
    graph.set_weight(prefix + "enter", enter[:, chosen])
    graph.set_weight(prefix + "bias", bias[chosen])
    graph.set_weight(prefix + "exit", exit_[chosen])
    # Neurons whose weights are all zero stay at activation(0), and what they give is multiplied by zero.
    graph.set_weight(neurons.enter, _zeroed(enter, chosen, axis=1))
    graph.set_weight(neurons.bias, _zeroed(bias, chosen, axis=0))
    graph.set_weight(leave.weight, _zeroed(exit_, chosen, axis=0))

    names = {neurons.root: prefix + "root"}
    nodes = [
        new_node("MatMul", [neurons.source, prefix + "enter"], prefix + "in"),
        new_node("Add", [prefix + "in", prefix + "bias"], prefix + "root"),
    ]
    for node in neurons.nodes:
        names[node.output[0]] = prefix + node.output[0]
        copy = type(node)()
        copy.CopyFrom(node)
        copy.name = prefix + node.name
        del copy.input[:], copy.output[:]
        copy.input.extend(names.get(name, name) for name in node.input)
        copy.output.append(names[node.output[0]])
        nodes.append(copy)
    nodes.append(new_node("MatMul", [names[leave.source], prefix + "exit"], prefix + "out"))
    _add_after_bias(graph, leave.output, prefix, nodes)
    return [prefix + "in", prefix + "out"]


def _zeroed(weight: npt.NDArray[Any], chosen: npt.NDArray[np.intp], *, axis: int) -> npt.NDArray[Any]:
    copy = weight.copy()
    copy[(slice(None),) * axis + (chosen,)] = 0
    return copy


def _add_after_bias(graph: Graph, product: str, prefix: str, nodes: list[Any]) -> None:
    """Add the side path to a product, behind its bias: onnxruntime fuses product and bias into one kernel."""
    (after,) = graph.consumers(product)
    target = after.output[0] if after.op_type == "Add" else product
    readers = graph.consumers(target)
    graph.replace(target, prefix + "sum")
    nodes.append(new_node("Add", [target, prefix + "out"], prefix + "sum"))
    graph.insert(nodes, before=readers[0])
