"""A checkpoint whose own code hides a CRF from the logits is exported with it, or stopped; never without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import tiny_checkpoints

from clinspan import Recognizer
from clinspan.bundle.manifest import open_bundle
from clinspan_export.cli.main import main

pytestmark = pytest.mark.export
C = len(tiny_checkpoints.BIO)

# What people publish: logits without the CRF, which the loss and a `decode` of their own use.
CODE = """
import torch
from torch import nn
from transformers import BertModel, BertPreTrainedModel
from transformers.modeling_outputs import TokenClassifierOutput


class Tables(nn.Module):
    def __init__(self, labels):
        super().__init__()
        self.{transitions} = nn.Parameter(torch.randn(labels, labels) * 3)
        self.start_transitions = nn.Parameter(torch.randn(labels))
        self.end_transitions = nn.Parameter(torch.randn(labels))


class BertWithTables(BertPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.crf_layer = Tables(config.num_labels)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, token_type_ids=None, **_):
        hidden = self.bert(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]
        logits = self.classifier(hidden)
        return TokenClassifierOutput(logits={answer})
"""


def save(folder: Path, *, transitions: str = "transitions", answer: str = "logits") -> Path:
    """Write a tiny BERT with a CRF in code of its own."""
    import torch
    from safetensors.torch import load_file, save_file

    tiny_checkpoints.save(folder, "bert-uncased")
    torch.manual_seed(5)
    weights = load_file(folder / "model.safetensors")
    weights |= {
        f"crf_layer.{transitions}": torch.randn(C, C) * 3,
        "crf_layer.start_transitions": torch.randn(C),
        "crf_layer.end_transitions": torch.randn(C),
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "own_model.py").write_text(
        CODE.format(transitions=transitions, answer=answer), encoding="utf-8"
    )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {"AutoModelForTokenClassification": "own_model.BertWithTables"}
    config["architectures"] = ["BertWithTables"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers copies a checkpoint's code before it imports it: here into the test's own folder."""
    import sys

    from transformers import dynamic_module_utils as code

    monkeypatch.setattr(code, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        monkeypatch.delitem(sys.modules, name)


def run(source: Path, out: Path, *options: str) -> int:
    return main([str(source), str(out), "--precision=fp32", "--trust-remote-code", *options])


def test_a_crf_that_the_logits_do_not_show_is_exported_with_its_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever its module is called, where its tables have the names of pytorch-crf."""
    from safetensors.torch import load_file

    source, out = save(tmp_path / "checkpoint"), tmp_path / "out"
    assert run(source, out) == 0
    assert "a CRF decides the labels" in capsys.readouterr().err
    crf, weights = open_bundle(out).crf, load_file(source / "model.safetensors")
    assert crf is not None
    assert np.array_equal(crf.transitions, weights["crf_layer.transitions"].double().numpy())
    assert Recognizer.load(out).report().aggregation == "crf"


def stopped(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(source, tmp_path / "out") == 1
    assert not (tmp_path / "out").exists()
    return capsys.readouterr().err.splitlines()[-1]


def test_tables_of_another_kind_stop_the_export_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model has a place for them, and the traced graph does not use them."""
    line = stopped(save(tmp_path / "checkpoint", transitions="trans_matrix"), tmp_path, capsys)
    assert "the exported model does not use: crf_layer.end_transitions" in line
    assert "crf_layer.trans_matrix" in line
    assert "--allow-unused" in line


def test_what_the_user_allows_is_left_out_and_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for a model of transformers' own."""
    source, out = save(tmp_path / "checkpoint", transitions="trans_matrix"), tmp_path / "out"
    assert run(source, out, "--allow-unused=crf_layer.*") == 0
    manifest: dict[str, Any] = json.loads((out / "clinspan.json").read_text(encoding="utf-8"))
    assert len(manifest["provenance"]["unused"]) == 3
    assert "without crf_layer.end_transitions" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["logits.argmax(-1)", "None"])
def test_an_answer_that_holds_no_logits_stops_the_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    """Labels that a CRF decided already cannot be cut into windows."""
    line = stopped(save(tmp_path / "checkpoint", answer=answer), tmp_path, capsys)
    assert "answers with no logits" in line
