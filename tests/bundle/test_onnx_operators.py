"""A graph may use the operators that encoders need, and divide only what cannot end the process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.support import onnx_models
from tests.support.onnx_models import attribute, node, tensor

from clinspan import BundleError
from clinspan.bundle.loading import STARTER
from clinspan.bundle.onnx_operators import check_operators
from clinspan.bundle.onnx_scan import scan

INTEGERS = tensor("integers", np.array([[7, 9]]))
FLOATS = tensor("floats", np.array([[7.0, 9.0]], np.float32))


def check(nodes: Sequence[bytes], *tensors: bytes) -> None:
    model = onnx_models.model(onnx_models.graph(nodes, tensors=[INTEGERS, FLOATS, *tensors]))
    check_operators(scan(model), Path("model.onnx"))


@pytest.mark.parametrize(
    "name",
    [
        "Loop",
        "Scan",
        "MaxUnpool",
        "ArrayFeatureExtractor",
        "CropAndResize",
        "RotaryEmbedding",
        "MatMulNBits",
        "Gathr",
    ],
)
def test_an_operator_that_encoders_do_not_need_is_refused(name: str) -> None:
    """By its name, and with the way round for those who trust the file."""
    with pytest.raises(BundleError, match=f"uses the operator '{name}'.*verify='off'"):
        check([node(name, ["floats"], ["logits"])])


@pytest.mark.parametrize(
    ("divisor", "fits"),
    [(2, True), (-2, True), (0, False), (-1, False), ([3, 0], False), ([3, 5], True)],
    ids=str,
)
@pytest.mark.parametrize("operator", ["Div", "Mod"])
@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_integers_are_divided_by_a_harmless_constant_or_not_at_all(
    divisor: object, fits: bool, operator: str, kind: type
) -> None:
    """Zero, and -1 for the least integer, end the process on some versions of onnxruntime."""
    nodes = [node(operator, ["integers", "divisor"], ["logits"])]
    constant = tensor("divisor", np.array(divisor, kind))
    if fits:
        check(nodes, constant)
    else:
        with pytest.raises(BundleError, match="divides integers"):
            check(nodes, constant)


@pytest.mark.parametrize(
    "before",
    [
        [node("Cast", ["input_ids"], ["x"], attributes=[attribute("to", 1)])],
        [node("Sqrt", ["input_ids"], ["x"])],
        [node("Transpose", ["floats"], ["y"]), node("Unsqueeze", ["y", "integers"], ["x"])],
        [node("Where", ["input_ids", "floats", "input_ids"], ["x"])],
    ],
    ids=["cast", "sqrt", "moved", "chosen"],
)
def test_floats_may_be_divided_by_anything(before: list[bytes]) -> None:
    """As in attention, softmax and layer normalization written out."""
    check([*before, node("Div", ["x", "input_ids"], ["logits"])])


@pytest.mark.parametrize(
    "before",
    [
        [node("Cast", ["floats"], ["x"], attributes=[attribute("to", 7)])],
        [node("Shape", ["floats"], ["x"])],
        [node("Identity", ["integers"], ["x"])],
        [],
    ],
    ids=["cast", "shape", "moved", "unknown"],
)
def test_what_may_be_an_integer_is_not_divided_by_what_is_computed(before: list[bytes]) -> None:
    """Whatever the way by which it came."""
    with pytest.raises(BundleError, match="divides integers"):
        check([*before, node("Div", ["x", "input_ids"], ["logits"])])


def test_a_chain_without_end_is_not_followed() -> None:
    """A graph may name itself as its own input."""
    with pytest.raises(BundleError, match="divides integers"):
        check([node("Identity", ["x"], ["x"]), node("Div", ["x", "x"], ["logits"])])


def test_a_graph_of_more_parts_than_any_encoder_has_is_refused() -> None:
    """Each would take memory before onnxruntime has seen it."""
    with pytest.raises(BundleError, match="more than 100,000 nodes"):
        check([node("Identity", ["floats"], ["logits"])] * 100_010)


def test_the_starter_needs_no_exception() -> None:
    """Nor do the models of the exporter, which load in its own tests."""
    path = STARTER / "onnx" / "model_int8.onnx"
    check_operators(scan(path.read_bytes()), path)


def branch(*nodes: bytes) -> bytes:
    """A choice between two graphs, of which one holds these nodes."""
    graphs = [onnx_models.graph_attribute("then_branch", onnx_models.graph(nodes))]
    return node("If", ["condition"], ["logits"], attributes=graphs)


def test_a_branch_is_looked_into() -> None:
    """It ends, and so do its nodes, as far as they are those that an encoder needs."""
    check([branch(node("Identity", ["floats"], ["inside"]))])
    for bad in (node("Loop", ["floats"], ["x"]), node("Div", ["integers", "input_ids"], ["x"])):
        with pytest.raises(BundleError):
            check([branch(bad)])
        with pytest.raises(BundleError):
            check([branch(branch(bad))])


def test_a_name_that_two_graphs_give_tells_nothing() -> None:
    """Else a float of one would vouch for an integer of the other."""
    floats = node("Sqrt", ["floats"], ["x"])
    with pytest.raises(BundleError, match="divides integers"):
        check([node("Shape", ["floats"], ["x"]), node("Div", ["x", "input_ids"], ["y"]), branch(floats)])
