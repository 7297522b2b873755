"""fp32 ONNX -> fp16 ONNX for GPUs: half the size, inputs and logits unchanged.

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
    import onnx
    from onnxruntime.transformers import float16

    with quiet():
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
    """Names of the nodes that compute what is then cast to whole numbers."""
    makers = {name: node for node in graph.node for name in node.output}
    whole = {types.INT64, types.INT32, types.BOOL}
    waiting = [
        name
        for node in graph.node
        if node.op_type == "Cast" and any(a.name == "to" and a.i in whole for a in node.attribute)
        for name in node.input
    ]
    found: set[str] = set()
    while waiting:
        node = makers.get(waiting.pop())
        # The shape of a tensor does not depend on its values.
        if node is not None and node.op_type != "Shape" and node.name not in found:
            found.add(node.name)
            waiting.extend(node.input)
    return found


def _drop_repeated_casts(graph: Any) -> None:
    """A weight that several operators share gets the same cast once for each, and onnxruntime refuses that."""
    made: set[str] = set()
    nodes = []
    for node in graph.node:
        if not made.issuperset(node.output):
            nodes.append(node)
        made.update(node.output)
    del graph.node[:]
    graph.node.extend(nodes)
