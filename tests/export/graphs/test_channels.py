"""Evening out channels before int8: the function stays, the middles move to zero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import tiny_checkpoints

from clinspan.text.tokenizer import Tokenizer
from clinspan_export import checkpoint
from clinspan_export.graphs.channels import centre, ranges, smooth
from clinspan_export.graphs.fp32 import write_fp32
from clinspan_export.graphs.surgery import Graph, probe
from clinspan_export.verify.compare import feeds

pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[Any]]:
    """The fp32 graph of a small BERT, and windows to read."""
    import onnx
    import torch

    folder = tmp_path_factory.mktemp("channels")
    source = tiny_checkpoints.save(folder / "checkpoint")
    loaded = checkpoint.load(str(source))
    with torch.no_grad():  # biases that are all zero would be one weight in the graph, and left alone
        for parameter in loaded.model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    write_fp32(loaded, folder / "model.onnx")
    windows = list(feeds(Tokenizer(source / "tokenizer.json"), [tiny_checkpoints.NOTE], window=64))
    return onnx.load(folder / "model.onnx"), windows


def _copy(model: Any) -> Any:
    copy = type(model)()
    copy.CopyFrom(model)
    return copy


def _normalized(graph: Graph) -> list[str]:
    """Outputs of LayerNorms that a product reads, in graph order."""
    sources = dict.fromkeys(linear.source for linear in graph.linears())
    return [name for name in sources if graph.producers[name].op_type == "LayerNormalization"]


def test_centring_keeps_the_function(bert: tuple[Any, list[Any]], tmp_path: Path) -> None:
    """Every LayerNorm of a BERT is centred, its channels' middles are zero then, and the logits are what they were."""
    model, windows = bert
    edited = _copy(model)
    names = _normalized(Graph(edited))
    before = ranges(edited, names, windows, tmp_path)
    for name in names:
        low, high = before[name]
        assert centre(Graph(edited), name, np.float32(0.5) * (low + high))
    after = ranges(edited, names, windows, tmp_path)
    assert max(np.abs(low + high).max() for low, high in before.values()) > 0.1
    for low, high in after.values():
        np.testing.assert_allclose(low + high, 0, atol=1e-4)
    for (expected,), (found,) in zip(
        probe(model, ["logits"], windows, tmp_path), probe(edited, ["logits"], windows, tmp_path), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_smoothing_keeps_the_function(bert: tuple[Any, list[Any]], tmp_path: Path) -> None:
    """Channels divided before a product and multiplied in its weights leave the logits as they were."""
    model, windows = bert
    edited = _copy(model)
    for name, (low, high) in ranges(edited, _normalized(Graph(edited)), windows, tmp_path).items():
        fresh = Graph(edited)
        linears = [linear for linear in fresh.linears() if linear.source == name]
        smooth(fresh, name, linears, np.maximum(-low, high), 0.8)
    assert sum(node.name.startswith("smooth/") for node in edited.graph.node) > 3
    for (expected,), (found,) in zip(
        probe(model, ["logits"], windows, tmp_path), probe(edited, ["logits"], windows, tmp_path), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_other_readers_are_left_alone(bert: tuple[Any, list[Any]], tmp_path: Path) -> None:
    """Where something other than a biased product or a residual sum reads a LayerNorm, nothing is changed."""
    from onnx import helper

    edited = _copy(bert[0])
    name = _normalized(Graph(edited))[0]
    edited.graph.node.append(helper.make_node("Relu", [name], ["aside"], "aside"))
    unchanged = edited.SerializeToString()
    low, high = ranges(edited, [name], bert[1], tmp_path)[name]
    assert not centre(Graph(edited), name, np.float32(0.5) * (low + high))
    assert edited.SerializeToString() == unchanged
