"""A bundle loads, unchanged, in the runtimes of others, and gives them the same answers.

Each peer may live in an environment of its own: CLINSPAN_OPTIMUM_PYTHON and CLINSPAN_OPENMED_PYTHON name
its interpreter. Without one, this interpreter is asked; where that lacks the peer too, the test is skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import tiny_checkpoints

from clinspan import Recognizer
from clinspan_export import export

pytestmark = [pytest.mark.export, pytest.mark.slow]

NOTE = "Patient presents with chest pain and fever. ECG ordered, aspirin 81 mg given by mouth."

OPTIMUM = """
import json, sys
import numpy as np
from optimum.onnxruntime import ORTModelForTokenClassification
from transformers import AutoTokenizer
folder, note = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
out = {}
for name in (None, "model.onnx", "model_int8.onnx", "model_fp16.onnx"):
    where = {} if name is None else {"subfolder": "onnx", "file_name": name}
    model = ORTModelForTokenClassification.from_pretrained(folder, **where)
    logits = model(**tokenizer(note, return_tensors="np")).logits
    out[str(name)] = np.asarray(logits)[0, 1:-1].tolist()
print(json.dumps({"logits": out, "labels": [model.config.id2label[i] for i in range(len(model.config.id2label))]}))
"""

OPENMED = """
import json, sys
from openmed.onnx.inference import OnnxModel
folder, note = sys.argv[1:]
out = {}
for variant in ("auto", "fp32", "int8", "fp16"):
    model = OnnxModel.from_pretrained(folder, variant=variant, local_files_only=True)
    out[variant] = [(e.label, e.start, e.end, e.score) for e in model.predict(note)]
print(json.dumps(out))
"""


@pytest.fixture(scope="module", params=["bert-cased", "roberta"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("peers")
    source = tiny_checkpoints.save(folder / "checkpoint", request.param)
    return export(str(source), folder / "bundle", precisions=("fp32", "int8", "fp16")).path


def _ask(peer: str, module: str, script: str, bundle: Path) -> Any:
    python = os.environ.get(f"CLINSPAN_{peer}_PYTHON", sys.executable)
    known = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
    if known.returncode != 0:
        pytest.skip(f"{python} has no {module}: CLINSPAN_{peer}_PYTHON names an interpreter that has")
    command = [python, "-W", "ignore", "-c", script, str(bundle), NOTE]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_optimum_gives_the_same_logits(bundle: Path) -> None:
    """ORTModelForTokenClassification and AutoTokenizer on the folder: every precision, labels included."""
    answer = _ask("OPTIMUM", "optimum.onnxruntime", OPTIMUM, bundle)
    assert answer["labels"] == list(tiny_checkpoints.BIO)
    for name, precision, tolerance in (
        ("None", "fp32", 1e-4),
        ("model.onnx", "fp32", 1e-4),
        ("model_int8.onnx", "int8", 1e-4),
        ("model_fp16.onnx", "fp16", 5e-3),
    ):
        ours = Recognizer.load(bundle, precision=precision).token_logits(NOTE)
        assert np.abs(np.array(answer["logits"][name]) - ours).max() < tolerance, name


def test_openmed_finds_the_same_entities(bundle: Path) -> None:
    """OnnxModel on the folder: every variant loads and its entities are ours with a vote per token."""
    answer = _ask("OPENMED", "openmed.onnx.inference", OPENMED, bundle)
    assert answer["auto"] == answer["int8"]
    assert all(answer.values())
    for precision in ("fp32", "int8", "fp16"):
        ours = Recognizer.load(bundle, precision=precision).recognize(NOTE, aggregation="simple")
        theirs = [(label, start, end) for label, start, end, _ in answer[precision]]
        assert theirs == [(span.label, span.start, span.end) for span in ours]
