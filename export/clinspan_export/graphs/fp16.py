"""Convert an fp32 ONNX graph to fp16 for GPUs: half the size, inputs and logits unchanged.

fp16 overflows above 65,504 and knows three decimal digits, so what sums squares, takes exponentials or
computes an index (the relative position buckets of DeBERTa and MPNet) stays in fp32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clinspan_export.quiet import quiet

_KEPT_IN_FP32 = ("LayerNormalization", "Softmax", "ReduceMean", "ReduceSum", "Pow", "Log", "CumSum", "If")


def write_fp16(source: Path, target: Path) -> None:
    """Convert the weights and the arithmetic of a graph to fp16."""
    with quiet():
        import onnx
        from onnxruntime.transformers import float16

        model = onnx.load(source)
        half = float16.convert_float_to_float16(
            model,
            keep_io_types=True,
            op_block_list=[*float16.DEFAULT_OP_BLOCK_LIST, *_KEPT_IN_FP32],
            node_block_list=sorted(_index_nodes(model.graph, onnx.TensorProto)),
        )
        _drop_repeated_casts(half.graph)
        onnx.save(half, target)


def _index_nodes(graph: Any, types: Any) -> set[str]:
    """Names of the nodes that compute what is then cast to integers."""
    makers: dict[str, Any] = {}
    waiting: list[str] = []
    integers = {types.INT64, types.INT32, types.BOOL}
    for node in graph.node:
        makers.update(dict.fromkeys(node.output, node))
        if node.op_type == "Cast" and any(a.name == "to" and a.i in integers for a in node.attribute):
            waiting.extend(node.input)
    found: set[str] = set()
    while waiting:
        node = makers.get(waiting.pop())
        # The shape of a tensor does not depend on its values.
        if node is not None and node.op_type != "Shape" and node.name not in found:
            found.add(node.name)
            waiting.extend(node.input)
    return found


def _drop_repeated_casts(graph: Any) -> None:
    """Keep one of equal casts: a shared weight gets one for each operator, and onnxruntime refuses that."""
    made: set[str] = set()
    nodes = []
    for node in graph.node:
        if not made.issuperset(node.output):
            nodes.append(node)
        made.update(node.output)
    del graph.node[:]
    graph.node.extend(nodes)
