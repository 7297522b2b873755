"""The reader that looks at an .onnx file before onnxruntime does, compared with the onnx package."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import damage, onnx_models
from tests.support.bundles import external_table, lookup, table, table_model

from clinspan.bundle.loading import STARTER
from clinspan.bundle.onnx_scan import scan

MODELS = {
    "table": table_model(table(40)),
    "beside": table_model(external_table("weights.bin")),
    "attribute": damage.constant(external_table("../x")),
    "subgraph": damage.in_subgraph(),
    "custom": damage.custom(),
}
# Where a sparse tensor lies, as (field of the graph or of the attribute, type of the attribute).
SPARSE = {"sparse_initializer": (15, 0), "sparse_tensor": (22, 11), "sparse_tensors": (23, 12)}


@pytest.fixture
def onnx() -> Any:
    """The onnx package, which a runtime alone does not need."""
    return pytest.importorskip("onnx")


@pytest.mark.parametrize("name", MODELS)
def test_tensors_in_other_files_are_those_that_onnx_finds(onnx: Any, tmp_path: Path, name: str) -> None:
    """In the graph, in attributes and in graphs inside it; names and places the same."""
    from onnx.external_data_helper import ExternalDataInfo, _get_all_tensors, uses_external_data

    path = tmp_path / "model.onnx"
    path.write_bytes(MODELS[name])
    tensors = _get_all_tensors(onnx.ModelProto.FromString(MODELS[name]))
    assert scan(path.read_bytes()).external == {
        tensor.name: ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor)
    }


@pytest.mark.parametrize("name", ["table", "subgraph"])
def test_the_models_that_tests_write_are_valid_onnx(onnx: Any, name: str) -> None:
    """By the onnx package's own checker, except for weights that are missing; nothing is lost when it writes them."""
    model = onnx.ModelProto.FromString(MODELS[name])
    for tensor in [tensor for node in model.graph.node for a in node.attribute for tensor in a.g.initializer]:
        tensor.ClearField("external_data")
        tensor.data_location = onnx.TensorProto.DEFAULT
        tensor.raw_data = bytes(400 * 5 * 4)
    onnx.checker.check_model(model, full_check=True)
    assert onnx.ModelProto.FromString(MODELS[name]).ByteSize() == len(MODELS[name])


@pytest.mark.parametrize("place", SPARSE)
@pytest.mark.parametrize("part", [1, 2], ids=["values", "indices"])
def test_sparse_tensors_are_told(tmp_path: Path, place: str, part: int) -> None:
    """Where the onnx package does not look for their files."""
    number, kind = SPARSE[place]
    sparse = onnx_models.part(number, onnx_models.part(part, external_table("../x")))
    graph = onnx_models.graph([lookup()], tensors=[table(40)]) + sparse
    if kind:
        attribute = onnx_models.text(1, "s") + sparse + onnx_models.number(20, kind)
        node = onnx_models.node("Gather", ["table", "input_ids"], ["logits"], attributes=[attribute])
        graph = onnx_models.graph([node], tensors=[table(40)])
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_models.model(graph))
    assert scan(path.read_bytes()).unusual == {"sparse"}


def test_tables_have_the_rows_that_onnx_reads(onnx: Any) -> None:
    """Those of the starter: quantized rows and their scales."""
    path = STARTER / "onnx" / "model_int8.onnx"
    model = onnx.load(path)
    sizes = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    rows = {
        node.input[0]: sizes[node.input[0]]
        for node in model.graph.node
        if node.op_type == "Gather" and node.input[1] == "input_ids"
    }
    assert scan(path.read_bytes()).rows == rows
    assert set(rows.values()) == {30523}
    assert set(scan(path.read_bytes()).external.values()) == {"model_int8.onnx_data"}


def test_dimensions_are_read_packed_and_one_by_one(tmp_path: Path) -> None:
    """Writers of protobuf may do either."""
    path = tmp_path / "model.onnx"
    packed, single = b"\x0a\x02\x28\x05", b"\x08\x28\x08\x05"
    content = MODELS["table"]
    assert single in content
    # Both take four bytes, so that no length around them changes.
    for dims in (packed, single):
        path.write_bytes(content.replace(single, dims))
        assert scan(path.read_bytes()).rows == {"table": 40}


@pytest.mark.long
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(MODELS)),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3)), max_size=4),
)
def test_any_bytes_are_walked_or_refused(tmp_path: Path, name: str, changes: list[tuple[int, bytes]]) -> None:
    """Cut, stretched and changed models: an outline or a refusal, and never a long wait."""
    content = MODELS[name]
    for place, piece in changes:
        content = content[:place] + piece + content[place + 2 :]
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with suppress(ValueError, IndexError):
        scan(path.read_bytes())
