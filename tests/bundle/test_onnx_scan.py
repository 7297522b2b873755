"""What is read of an .onnx file before onnxruntime sees it, against the onnx package."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.promises import test_hostile_bundles as hostile
from tests.support import tinybundle as tiny

from clinspan import BundleError
from clinspan.bundle.loading import STARTER
from clinspan.bundle.onnx_scan import read_outline

onnx = tiny.onnx

MAKERS = {
    "table": lambda: tiny.graph(tiny.table(40)),
    "beside": lambda: tiny.graph(tiny.external("weights.bin")),
    "attribute": lambda: hostile.constant(tiny.external("../x")),
    "subgraph": hostile.in_subgraph,
    "custom": hostile.custom,
}


@pytest.mark.parametrize("name", MAKERS)
def test_tensors_in_other_files_are_those_that_onnx_finds(tmp_path: Path, name: str) -> None:
    """In the graph, in attributes and in graphs inside it; names and places the same."""
    from onnx.external_data_helper import ExternalDataInfo, _get_all_tensors, uses_external_data

    model = MAKERS[name]()
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    expected = {
        t.name: ExternalDataInfo(t).location for t in _get_all_tensors(model) if uses_external_data(t)
    }
    assert read_outline(path).external == expected


@pytest.mark.parametrize("field", ["sparse_tensor", "sparse_tensors", "sparse_initializer"])
@pytest.mark.parametrize("part", ["values", "indices"])
def test_sparse_tensors_in_other_files_are_found(tmp_path: Path, field: str, part: str) -> None:
    """Where the onnx package does not look for them."""
    model = tiny.graph(tiny.table(40))
    sparse = onnx.SparseTensorProto(**{part: tiny.external("../x")})
    if field == "sparse_initializer":
        model.graph.sparse_initializer.append(sparse)
    else:
        value = [sparse] if field == "sparse_tensors" else sparse
        model.graph.node[0].attribute.append(onnx.AttributeProto(name="s", **{field: value}))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert read_outline(path).external == {"table": "../x"}


def test_tables_have_the_rows_that_onnx_reads() -> None:
    """Those of the starter: quantized rows and their scales."""
    path = STARTER / "onnx" / "model_int8.onnx"
    model = onnx.load(path)
    sizes = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    rows = {
        node.input[0]: sizes[node.input[0]]
        for node in model.graph.node
        if node.op_type == "Gather" and node.input[1] == "input_ids"
    }
    assert read_outline(path).rows == rows
    assert set(rows.values()) == {30522}
    assert read_outline(path).external == {}


def test_dimensions_are_read_packed_and_one_by_one(tmp_path: Path) -> None:
    """Writers of protobuf may do either."""
    path = tmp_path / "model.onnx"
    content = tiny.graph(tiny.table(40)).SerializeToString()
    packed, single = b"\x0a\x02\x28\x03", b"\x08\x28\x08\x03"
    assert (packed in content) != (single in content)
    for dims in (packed, single):
        path.write_bytes(content.replace(packed, dims).replace(single, dims))
        assert read_outline(path).rows == {"table": 40}


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(MAKERS)),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3)), max_size=4),
)
def test_any_bytes_are_walked_or_refused(tmp_path: Path, name: str, changes: list[tuple[int, bytes]]) -> None:
    """Cut, stretched and changed models: an outline or a BundleError, and never a long wait."""
    content = MAKERS[name]().SerializeToString()
    for place, piece in changes:
        content = content[:place] + piece + content[place + 2 :]
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with suppress(BundleError):
        read_outline(path)
