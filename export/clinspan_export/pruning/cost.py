"""Measure the time that a head and a neuron take, as they will run: int8, one thread, a full window."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan_export.pruning.parts import Sublayer
from clinspan_export.quiet import import_onnxruntime, quiet

TOKENS = 192
_RUNS = 40


def unit_costs(parts: Sequence[Sublayer]) -> dict[str, float]:
    """Measure the cost of one unit of each kind, as multiples of a neuron's.

    A ratio of two times of one thread's own processor time, rounded to a fifth, so that a busy machine chooses as a
    quiet one does.

    Args:
        parts: of the model; the first of each kind is measured.
    """
    first: dict[str, Sublayer] = {}
    for part in reversed(parts):
        first[part.kind] = part
    seconds = {kind: _slope(part) for kind, part in first.items()}
    base = max(seconds["neurons"], 1e-12)
    return {kind: _coarse(max(value, 1e-12) / base) for kind, value in seconds.items()}


def _coarse(ratio: float) -> float:
    """The nearest power of 1.2."""
    return round(float(1.2 ** round(math.log(ratio, 1.2))), 2)


def _slope(part: Sublayer) -> float:
    """Seconds that one more unit takes, between half of them and all."""
    whole, half = part.units, max(1, part.units // 2)
    if whole == half:
        return 0.0
    outputs = part.leave.out_features
    with tempfile.TemporaryDirectory() as work:
        timed = [_Timed(part.kind, outputs, units, part.size, Path(work)) for units in (half, whole)]
        for _ in range(_RUNS):  # in turn, so that what disturbs one disturbs the other
            for one in timed:
                one.run()
    return (timed[1].best - timed[0].best) / (whole - half)


class _Timed:
    """A part of some width as an int8 graph, and the best of its times."""

    def __init__(self, kind: str, outputs: int, units: int, size: int, work: Path) -> None:
        with quiet():
            from onnxruntime.quantization import QuantType, quantize_dynamic
        onnxruntime = import_onnxruntime()
        nodes, weights = _LAYOUTS[kind](outputs, units, size)
        path = work / f"{units}.onnx"
        with quiet():
            quantize_dynamic(
                _model(nodes, weights, outputs), path, per_channel=True, weight_type=QuantType.QInt8
            )
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        self._feed = {"x": np.random.default_rng(0).normal(size=(1, TOKENS, outputs)).astype(np.float32)}
        self.best = math.inf

    def run(self) -> None:
        """Run once more."""
        begun = time.thread_time()
        self._session.run(None, self._feed)
        self.best = min(self.best, time.thread_time() - begun)


_Layout = tuple[list[tuple[str, list[str], str, dict[str, Any]]], Mapping[str, npt.NDArray[Any]]]


def _feed_forward(outputs: int, units: int, size: int) -> _Layout:
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(size=(outputs, units * size)).astype(np.float32),
        "b1": np.ones(units * size, np.float32),
        "w2": random.normal(size=(units * size, outputs)).astype(np.float32),
        "root": np.array(math.sqrt(2), np.float32),
        "one": np.array(1, np.float32),
        "half": np.array(0.5, np.float32),
    }
    nodes: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("MatMul", ["x", "w1"], "in", {}),
        ("Add", ["in", "b1"], "h", {}),
        ("Div", ["h", "root"], "scaled", {}),
        ("Erf", ["scaled"], "erf", {}),
        ("Add", ["erf", "one"], "gate", {}),
        ("Mul", ["h", "gate"], "gated", {}),
        ("Mul", ["gated", "half"], "act", {}),
        ("MatMul", ["act", "w2"], "y", {}),
    ]
    return nodes, weights


def _attention(outputs: int, units: int, size: int) -> _Layout:
    random = np.random.default_rng(0)
    weights: dict[str, npt.NDArray[Any]] = {
        "apart": np.array([0, -1, units, size]),
        "together": np.array([0, -1, units * size]),
        "wo": random.normal(size=(units * size, outputs)).astype(np.float32),
    }
    nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
    for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        weights[f"w{name}"] = random.normal(size=(outputs, units * size)).astype(np.float32)
        nodes += [
            ("MatMul", ["x", f"w{name}"], f"{name}0", {}),
            ("Reshape", [f"{name}0", "apart"], f"{name}1", {}),
            ("Transpose", [f"{name}1"], name, {"perm": order}),
        ]
    nodes += [
        ("MatMul", ["q", "k"], "scores", {}),
        ("Softmax", ["scores"], "shares", {"axis": -1}),
        ("MatMul", ["shares", "v"], "mixed", {}),
        ("Transpose", ["mixed"], "turned", {"perm": [0, 2, 1, 3]}),
        ("Reshape", ["turned", "together"], "context", {}),
        ("MatMul", ["context", "wo"], "y", {}),
    ]
    return nodes, weights


_LAYOUTS = {"neurons": _feed_forward, "heads": _attention}


def _model(
    nodes: Sequence[tuple[str, list[str], str, dict[str, Any]]],
    weights: Mapping[str, npt.NDArray[Any]],
    outputs: int,
) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    made = [
        helper.make_node(operator, inputs, [output], output, **attributes)
        for operator, inputs, output, attributes in nodes
    ]
    graph = helper.make_graph(
        made,
        "part",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, TOKENS, outputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, TOKENS, outputs])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
