"""How much of the machine's int8 speed a window gets: the model's int8 products beside onnxruntime's own product alone.

    python -m benchmarks.peak --bundle BUNDLE

One thread, CPU time, all in turn in one process; half a minute. The share counts everything else in a window (attention,
LayerNorm, GELU ...) as time lost, so it is a lower bound of how well the int8 kernels are used; what that everything is
stands beside it, as onnxruntime's own profile of the same window. The same product in fp32 says how far apart int8 and
fp32 can be on this CPU.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.record import save
from clinspan import Recognizer
from clinspan.bundle.manifest import open_bundle

TOKENS = 190
RUNS = 30


def main() -> None:
    """Measure a bundle's int8 model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", required=True)
    options = parser.parse_args()
    bundle = open_bundle(options.bundle)
    shapes = _products(Path(options.bundle, bundle.models["int8"].path))
    operations = sum(2 * TOKENS * rows * columns for rows, columns in shapes)
    largest = max(set(shapes), key=lambda shape: shape[0] * shape[1])
    recognizer = Recognizer.load(options.bundle, precision="int8", threads=1)
    ids = np.random.default_rng(0).integers(1000, 20000, TOKENS)
    product, in_fp32 = _product(*largest), _product(*largest, fp32=True)
    windows, products, others = [], [], []
    for _ in range(RUNS):
        windows.append(_seconds(lambda: recognizer._model.logits(ids)))
        products.append(_seconds(product))
        others.append(_seconds(in_fp32))
    peak = 2 * TOKENS * largest[0] * largest[1] / median(products)
    save(
        "peak",
        {
            "tera-operations/s of the model's int8 products in a window": operations / median(windows) / 1e12,
            f"tera-operations/s of a product of {TOKENS} x {largest[0]} and {largest[0]} x {largest[1]}": peak
            / 1e12,
            "share": operations / median(windows) / peak,
            "times faster than the same product in fp32": median(
                slow / fast for slow, fast in zip(others, products, strict=True)
            ),
            "share of a window, by operator": _operators(options.bundle, ids),
        },
        bundle=Path(options.bundle).name,
        tokens=TOKENS,
    )


def _products(path: Path) -> list[tuple[int, int]]:
    """Shapes of the int8 weight matrices that products of the model read."""
    graph = onnx.load(path).graph
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    return [
        (weights[node.input[1]][0], weights[node.input[1]][1])
        for node in graph.node
        if node.op_type == "MatMulInteger" and node.input[1] in weights
    ]


def _operators(bundle: str, ids: Any) -> dict[str, float]:
    """Share of each operator's time in a window, largest first, from onnxruntime's profiler."""
    with tempfile.TemporaryDirectory() as work:
        profiled = {"enable_profiling": True, "profile_file_prefix": str(Path(work, "profile"))}
        recognizer = Recognizer.load(bundle, precision="int8", threads=1, session_options=profiled)
        for _ in range(RUNS):
            recognizer._model.logits(ids)
        file = recognizer._model.session._session.end_profiling()
        events = json.loads(Path(file).read_text(encoding="utf-8"))
    times: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times[event["args"]["op_name"]] += event["dur"]
    whole = sum(times.values())
    return {name: spent / whole for name, spent in times.most_common() if spent >= 0.005 * whole}


def _product(rows: int, columns: int, *, fp32: bool = False) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    weights = {
        "weight": rng.integers(-127, 128, (rows, columns)).astype(np.int8),
        "scale": np.full(columns, 0.01, np.float32),
        "zero": np.zeros(columns, np.int8),
    }
    node = helper.make_node("DynamicQuantizeMatMul", ["x", *weights], ["y"], domain="com.microsoft")
    if fp32:
        weights = {"weight": rng.standard_normal((rows, columns)).astype(np.float32)}
        node = helper.make_node("MatMul", ["x", "weight"], ["y"])
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, columns])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    feed = {"x": rng.standard_normal((TOKENS, rows)).astype(np.float32)}
    return lambda: session.run(None, feed)


def _seconds(call: Callable[[], Any]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began


if __name__ == "__main__":
    main()
