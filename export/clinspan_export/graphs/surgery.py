"""Read and edit an ONNX graph: weights, readers, products, and the values of inner tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan_export.quiet import import_onnxruntime

# Model inputs by name, int64 (b, t) each.
Feed = Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Linear:
    """A product with a weight matrix: `output = source @ weight`, weight float32 (inputs, outputs)."""

    source: str
    weight: str
    output: str


class Graph:
    """An ONNX graph whose weights are numpy arrays; edits happen in place."""

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        self.model = model
        self.weights: dict[str, npt.NDArray[Any]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self.producers: dict[str, Any] = {}
        for node in model.graph.node:
            self.producers.update(dict.fromkeys(node.output, node))

    def linears(self) -> list[Linear]:
        """All products with a float weight matrix, in graph order."""
        return [
            Linear(node.input[0], node.input[1], node.output[0])
            for node in self.model.graph.node
            if node.op_type == "MatMul"
            and node.input[1] in self.weights
            and self.weights[node.input[1]].ndim == 2
            and self.weights[node.input[1]].dtype == np.float32
        ]

    def set_weight(self, name: str, value: npt.NDArray[Any]) -> None:
        """Add a weight or replace one."""
        from onnx import numpy_helper

        tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
        for existing in self.model.graph.initializer:
            if existing.name == name:
                existing.CopyFrom(tensor)
                break
        else:
            self.model.graph.initializer.append(tensor)
        self.weights[name] = value

    def insert(self, nodes: Sequence[Any], *, before: Any) -> None:
        """Insert nodes before another one, which keeps the graph in topological order."""
        where = next(i for i, node in enumerate(self.model.graph.node) if node.output[0] == before.output[0])
        for offset, node in enumerate(nodes):
            self.model.graph.node.insert(where + offset, node)
            self.producers.update(dict.fromkeys(node.output, node))

    def constant(self, name: str) -> npt.NDArray[Any] | None:
        """Read a constant, either a weight or the output of a Constant node; None for other tensors."""
        from onnx import numpy_helper

        node = self.producers.get(name)
        if node is not None and node.op_type == "Constant":
            value: npt.NDArray[Any] = numpy_helper.to_array(node.attribute[0].t)
            return value
        return self.weights.get(name)

    def replace(self, old: str, new: str) -> None:
        """Let all readers of a tensor read another one."""
        for reader in self.consumers(old):
            for node in with_branches(reader):
                for i, name in enumerate(node.input):
                    if name == old:
                        node.input[i] = new

    def consumers(self, name: str) -> list[Any]:
        """Nodes that read a tensor, those whose branches do among them."""
        return [
            node
            for node in self.model.graph.node
            if any(name in inner.input for inner in with_branches(node))
        ]


def new_node(kind: str, inputs: Sequence[str], output: str, **attributes: int) -> Any:
    """Make a node of one output, which names it too."""
    from onnx import helper

    return helper.make_node(kind, inputs, [output], output, **attributes)


def with_branches(node: Any) -> Iterator[Any]:
    """A node, and all nodes of its branches if it is an If or a Loop: they read tensors from outside."""
    yield node
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from with_branches(inner)


def biased_product(graph: Graph, node: Any) -> tuple[str, str, str] | None:
    """Source, weight and bias of `source @ weight + bias`, if a node is the sum of one."""
    if node.op_type != "Add":
        return None
    for product, bias in (tuple(node.input), tuple(node.input)[::-1]):
        inner = graph.producers.get(product)
        if (
            bias in graph.weights
            and graph.weights[bias].ndim == 1
            and inner is not None
            and inner.op_type == "MatMul"
            and inner.input[1] in graph.weights
        ):
            return inner.input[0], inner.input[1], bias
    return None


def probe(
    model: Any, names: Sequence[str], feeds: Iterable[Feed], work: Path
) -> Iterator[list[npt.NDArray[Any]]]:
    """Run a model and yield the values of some of its inner tensors for each feed."""
    import onnx

    onnxruntime = import_onnxruntime()
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    path = work / "probe.onnx"
    onnx.save(copy, path)
    del copy
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    path.unlink()
    for feed in feeds:
        yield session.run(list(names), {node.name: feed[node.name] for node in session.get_inputs()})
