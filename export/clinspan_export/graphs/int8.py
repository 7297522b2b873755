"""Quantize an fp32 ONNX graph to int8: weight matrices with a scale for each column, embeddings with a scale for each
row, activations as they come.

The plain graph with dynamic activations is the fastest on CPU that was measured; what else was tried, and
what each step is worth, is in docs/evidence/quantization.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clinspan_export.graphs import outliers
from clinspan_export.graphs.fold import fold_scales
from clinspan_export.graphs.surgery import Feed, Graph, new_node
from clinspan_export.quiet import import_onnxruntime, quiet

# Smaller tables stay in fp32: they weigh nothing.
_TABLE_ROWS = 256


@dataclass(frozen=True, slots=True)
class Quantization:
    """How a model becomes int8; the defaults are what measured best (docs/evidence/quantization.md).

    Attributes:
        taming: what is done about outliers.
        embeddings: `row` for int8 with a scale for each token, `table` for one scale in all, `fp32` for no int8.
        per_channel: one scale for each column of a weight matrix, instead of one in all.
        reduce_range: 7-bit weights, for CPUs without VNNI, whose 16-bit sums can overflow.
        skip: parts of node names whose weights stay in fp32.
    """

    taming: outliers.Taming = field(default_factory=outliers.Taming)
    embeddings: str = "row"
    per_channel: bool = True
    reduce_range: bool = False
    skip: Sequence[str] = ()


def write_int8(
    source: Path, target: Path, windows: Iterable[Feed], *, how: Quantization | None = None
) -> None:
    """Quantize a graph.

    Args:
        source: fp32 model.
        target: int8 model to write.
        windows: model inputs to calibrate on, a few thousand tokens of the kind of text it will read.
        how: None for the default.
    """
    with quiet():
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

    how = how or Quantization()
    model = onnx.load(source)
    fold_scales(Graph(model), target.parent)
    kept = outliers.tame(model, windows, target.parent, taming=how.taming)
    kept += [node.name for node in model.graph.node if any(part in node.name for part in how.skip)]
    if how.embeddings == "row":
        _quantize_embeddings(Graph(model))
    with quiet():
        quantize_dynamic(
            model,
            target,
            per_channel=how.per_channel,
            reduce_range=how.reduce_range,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gather"] if how.embeddings == "table" else ["MatMul"],
            nodes_to_exclude=kept,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    _optimize(target)


def _optimize(path: Path) -> None:
    """Fold constants once, here, instead of at every load; the operators stay those of the ONNX standard."""
    onnxruntime = import_onnxruntime()
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    settings.log_severity_level = 3
    optimized = path.with_suffix(".optimized.onnx")
    settings.optimized_model_filepath = str(optimized)
    onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    optimized.replace(path)


def _quantize_embeddings(graph: Graph) -> None:
    """Store embedding tables as int8 with a scale for each row; a row is a token, and tokens differ in size."""
    from onnx import TensorProto, helper

    for node in list(graph.model.graph.node):
        table = graph.weights.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.ndim != 2 or table.dtype != np.float32 or len(table) < _TABLE_ROWS:
            continue
        name, output = node.input[0], node.output[0]
        scales = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12).astype(np.float32) / np.float32(
            127
        )
        if f"{name}/scales" not in graph.weights:
            graph.set_weight(f"{name}/scales", scales)
            graph.set_weight(f"{name}/rows", np.rint(table / scales).astype(np.int8))
        restored = [f"{output}/float", f"{output}/scale"]
        rows = [
            new_node("Gather", [f"{name}/rows", node.input[1]], f"{output}/int8"),
            new_node("Cast", [f"{output}/int8"], f"{output}/float", to=TensorProto.FLOAT),
            new_node("Gather", [f"{name}/scales", node.input[1]], f"{output}/scale"),
            helper.make_node("Mul", restored, [output], f"{output}/rows"),
        ]
        graph.insert(rows, before=node)
        graph.model.graph.node.remove(node)
    used: set[str] = set()
    for node in graph.model.graph.node:
        used.update(node.input)
    for tensor in [t for t in graph.model.graph.initializer if t.name not in used]:
        graph.model.graph.initializer.remove(tensor)
