"""A traced graph has no branches, which the runtime does not allow, and is the model at every length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import tiny_checkpoints

from clinspan_export.graphs.unscripted import unscripted
from clinspan_export.quiet import quiet

pytestmark = pytest.mark.export


@pytest.mark.parametrize("name", ["deberta-v2", "deberta-v3"])
def test_scripted_functions_leave_no_branch_in_the_graph(tmp_path: Path, name: str) -> None:
    """DeBERTa scripts its relative positions; lengths that were not traced give the same logits all the same."""
    import onnx
    import onnxruntime as ort
    import torch
    from transformers import AutoModelForTokenClassification

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any, mask: Any) -> Any:
            return self.model(input_ids=ids, attention_mask=mask).logits

    source = tiny_checkpoints.save(tmp_path / "checkpoint", name)
    model = AutoModelForTokenClassification.from_pretrained(source).eval()
    ids = torch.arange(5, 23).reshape(2, 9)
    names = ["input_ids", "attention_mask"]
    axes = {one: {0: "batch", 1: "tokens"} for one in (*names, "logits")}
    with quiet(), unscripted(model):
        torch.onnx.export(
            Logits(model).eval(), (ids, torch.ones_like(ids)), str(tmp_path / "model.onnx"), input_names=names,
            output_names=["logits"], dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip
    assert "If" not in {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}
    session = ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for rows, length in ((1, 1), (3, 60)):
        ids = torch.from_numpy(np.random.default_rng(0).integers(5, 60, (rows, length)))
        with torch.inference_mode():
            expected = model(input_ids=ids).logits.numpy()
        (got,) = session.run(None, {"input_ids": ids.numpy(), "attention_mask": np.ones_like(ids.numpy())})
        assert np.abs(got - expected).max() < 1e-4


def test_scripted_functions_are_put_back(tmp_path: Path) -> None:
    """An error while tracing leaves transformers as it was; transformers 5 scripts none."""
    import torch
    from transformers import AutoModelForTokenClassification
    from transformers.models.deberta_v2 import modeling_deberta_v2 as module

    source = tiny_checkpoints.save(tmp_path / "checkpoint", "deberta-v2")
    model = AutoModelForTokenClassification.from_pretrained(source)
    before = dict(vars(module))

    def fail() -> None:
        with unscripted(model):
            assert not any(isinstance(value, torch.jit.ScriptFunction) for value in vars(module).values())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert dict(vars(module)) == before
