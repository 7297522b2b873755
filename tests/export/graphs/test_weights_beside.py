"""Weights move into a file beside the graph, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from clinspan_export.graphs.weights_beside import write_weights_beside

pytestmark = pytest.mark.export


def _model(table: np.ndarray, path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["logits"])],
        "tiny",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "t"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", "t", table.shape[1]])],
        [numpy_helper.from_array(table, "table")],
    )
    onnx.save(helper.make_model(graph), path)


def test_the_values_stay_as_they_are(tmp_path: Path) -> None:
    """Large tensors lie in the file beside the graph, to the bit, and transformers.js is told."""
    table = np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    _model(table, tmp_path / "model.onnx")
    record = write_weights_beside(tmp_path, "model.onnx")
    assert record.data is not None
    assert (record.data.path, record.data.size) == ("model.onnx_data", table.nbytes)
    assert record.size < 1000
    assert (tmp_path / "model.onnx_data").stat().st_mode == (tmp_path / "model.onnx").stat().st_mode
    (found,) = onnx.load(tmp_path / "model.onnx").graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(found), table)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["transformers.js_config"] == {"use_external_data_format": {"model.onnx": True}}
    assert config["model_type"] == "bert"
    assert write_weights_beside(tmp_path, "model.onnx") == record


def test_a_graph_of_small_tensors_stays_one_file(tmp_path: Path) -> None:
    """Nothing is moved where nothing is gained."""
    _model(np.ones((4, 7), np.float32), tmp_path / "model.onnx")
    before = (tmp_path / "model.onnx").read_bytes()
    assert write_weights_beside(tmp_path, "model.onnx").data is None
    assert (tmp_path / "model.onnx").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
