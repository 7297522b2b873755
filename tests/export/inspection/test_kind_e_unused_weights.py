"""Anything in the checkpoint's files that the exported model would not use is named, and stops the export."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import tiny_checkpoints

from clinspan_export.cli.main import main

pytestmark = pytest.mark.export
Refuse = Callable[..., str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tiny_checkpoints.save(tmp_path / "checkpoint")


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Runs an export that must be refused in one line before anything is written; gives that line."""

    def run(source: Path, *extra: str) -> str:
        assert main([str(source), str(tmp_path / "out"), "--precision=fp32", *extra]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert not (tmp_path / "out").exists()
        assert not any("writing" in line for line in lines)
        return lines[-1]

    return run


def add_tensors(source: Path, **tensors: tuple[int, ...]) -> None:
    """Add tensors of ones to a checkpoint's weights; a double underscore stands for a dot."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(source / "model.safetensors")
    for name, shape in tensors.items():
        weights[name.replace("__", ".")] = torch.ones(shape)
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})


def edit(source: Path, **settings: Any) -> None:
    """Change keys of config.json."""
    path = source / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, **settings}), encoding="utf-8")


@pytest.mark.parametrize(
    "tensors",
    [
        {"lstm__weight_ih_l0": (128, 32), "lstm__weight_hh_l0": (128, 32)},
        {"classifier2__weight": (7, 32)},
        {"bert__encoder__layer__2__output__dense__bias": (32,)},
        {"lm_head__bias": (5,)},
    ],
    ids=["lstm", "second-head", "a-layer-more", "language-model"],
)
def test_tensors_that_the_model_has_no_place_for_stop_the_export(
    source: Path, refused: Refuse, tensors: dict[str, tuple[int, ...]]
) -> None:
    """An LSTM, a second head, a layer too many: the exported model would be another one."""
    add_tensors(source, **tensors)
    line = refused(source)
    for name in tensors:
        assert name.replace("__", ".") in line
    assert "--allow-unused" in line


def test_tensors_that_the_user_allows_are_recorded(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --allow-unused the manifest and the verdict name what was left out."""
    add_tensors(source, lm_head__bias=(5,), lm_head__dense=(5,))
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32", "--allow-unused=lm_head.*"]) == 0
    manifest = json.loads((tmp_path / "out/clinspan.json").read_text(encoding="utf-8"))
    assert manifest["provenance"]["unused"] == ["lm_head.bias", "lm_head.dense"]
    (verdict,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("verdict")]
    assert "without lm_head.bias, lm_head.dense, as --allow-unused says" in verdict


def test_a_pooler_and_position_ids_never_reach_a_label(source: Path, tmp_path: Path) -> None:
    """Checkpoints of older versions bring both; leaving them out changes nothing and needs no permission."""
    add_tensors(source, bert__pooler__dense__bias=(32,), bert__embeddings__position_ids=(1, 128))
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32"]) == 0


@pytest.mark.parametrize(
    "name", ["adapter_model.safetensors", "adapter_model.bin", "crf.pt", "head.safetensors"]
)
def test_weights_in_a_file_beside_the_model_stop_the_export(source: Path, refused: Refuse, name: str) -> None:
    """An adapter that is not merged, or a head in a file of its own."""
    (source / name).write_bytes(b"weights")
    line = refused(source)
    assert name in line
    assert "--allow-unused" in line


def test_an_adapter_with_its_configuration_stops_the_export(source: Path, refused: Refuse) -> None:
    """transformers would load the adapter's base in place of these weights."""
    (source / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8")
    (source / "adapter_model.safetensors").write_bytes(b"weights")
    assert "adapter beside its weights (adapter_config.json, adapter_model.safetensors)" in refused(source)


def test_what_training_leaves_beside_the_weights_is_no_reason_to_stop(source: Path, tmp_path: Path) -> None:
    """Optimizer states and copies for other frameworks are not part of the model."""
    for name in ("optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state.pth", "tf_model.h5"):
        (source / name).write_bytes(b"")
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32"]) == 0


def test_keys_that_this_version_does_not_know_stop_the_export(source: Path, refused: Refuse) -> None:
    """A key that neither the configuration nor the model's code names may be another model's."""
    edit(source, attention_temperature=2.0)
    line = refused(source)
    assert "config.json says attention_temperature" in line
    assert "--allow-unused" in line


def test_keys_without_effect_are_let_through(source: Path, tmp_path: Path) -> None:
    """How it was trained, how text is generated, private notes, and values that mean nothing."""
    edit(
        source,
        gradient_checkpointing=True,
        directionality="bidi",
        num_beams=4,
        _by="x",
        pooler_fc_size=768,
        odd=None,
    )
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32"]) == 0


def test_a_key_that_the_user_allows_is_recorded(source: Path, tmp_path: Path) -> None:
    """The manifest names the key that was passed over."""
    edit(source, site="ward 3")
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32", "--allow-unused=site"]) == 0
    manifest = json.loads((tmp_path / "out/clinspan.json").read_text(encoding="utf-8"))
    assert manifest["provenance"]["unused"] == ["site"]


def test_a_checkpoint_of_a_newer_major_version_stops_the_export(source: Path, refused: Refuse) -> None:
    """Nobody knows here what it changed."""
    edit(source, transformers_version="99.1.0")
    line = refused(source)
    assert "saved by transformers 99.1.0" in line
    assert "pip install 'transformers>=99'" in line


def test_a_class_that_transformers_does_not_have_stops_the_export(source: Path, refused: Refuse) -> None:
    """It may compute something else from the same tensors, such as the mean of the last layers."""
    edit(source, architectures=["BertMeanOfLayersForTokenClassification"])
    assert "saved by the class BertMeanOfLayersForTokenClassification" in refused(source)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_its_own_stops_the_export_although_the_type_is_known(
    source: Path, refused: Refuse, name: str
) -> None:
    """transformers would quietly use its own class for the type."""
    path = source / name
    content = json.loads(path.read_text(encoding="utf-8"))
    content["auto_map"] = {"AutoModelForTokenClassification": "own.Model"}
    path.write_text(json.dumps(content), encoding="utf-8")
    line = refused(source)
    assert "auto_map: AutoModelForTokenClassification" in line
    assert "--trust-remote-code" in line


@pytest.mark.parametrize(
    "fields",
    [
        {"_attn_implementation_internal": "some-org/some-kernel"},
        {"_attn_implementation": "some-org/some-kernel"},
        {"attn_implementation": "some-org/some-kernel:fast"},
        {"text_config": {"_attn_implementation": "some-org/some-kernel"}},
        {"_experts_implementation": "some-org/some-kernel"},
    ],
    ids=["internal", "plain", "public", "nested", "experts"],
)
def test_an_implementation_from_the_hub_is_refused_before_transformers_reads_it(
    source: Path, refused: Refuse, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some versions of transformers download the repository that these fields name, and import it."""
    import transformers

    def read(*_: object, **__: object) -> None:
        pytest.fail("transformers was asked to read it")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", read)
    edit(source, **fields)
    line = refused(source)
    assert "_implementation" in line
    assert "take the field out" in line


def test_an_implementation_of_transformers_itself_is_let_through(source: Path, tmp_path: Path) -> None:
    """Saved configurations carry them."""
    edit(source, _attn_implementation_autoset=True, _attn_implementation="eager")
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32"]) == 0


def test_a_modernbert_whose_rope_this_version_does_not_know_is_refused(
    tmp_path: Path, refused: Refuse
) -> None:
    """Saved as transformers 5 does, it is another model under 4.57: the logits are computed, and it is refused."""
    import transformers

    if int(transformers.__version__.split(".")[0]) >= 5:
        pytest.skip("this transformers knows rope_parameters")
    source = tiny_checkpoints.save(tmp_path / "checkpoint", "modernbert")
    ids = np.arange(5, 100)[None]
    edit(source, global_rope_theta=50.0, local_rope_theta=20.0)
    right = _logits(source, ids)
    content = json.loads((source / "config.json").read_text(encoding="utf-8"))
    for name in ("global_rope_theta", "local_rope_theta"):
        del content[name]
    rope = {"full_attention": {"rope_theta": 50.0, "rope_type": "default"}}
    rope["sliding_attention"] = {"rope_theta": 20.0, "rope_type": "default"}
    content["rope_parameters"] = rope
    (source / "config.json").write_text(json.dumps(content), encoding="utf-8")

    assert np.abs(_logits(source, ids) - right).max() > 0.1
    line = refused(source)
    assert "rope_parameters" in line
    assert "modernbert" in line


def _logits(source: Path, ids: np.ndarray) -> np.ndarray:
    import torch
    from transformers import AutoModelForTokenClassification

    model = AutoModelForTokenClassification.from_pretrained(source).eval()
    with torch.inference_mode():
        logits: np.ndarray = model(input_ids=torch.from_numpy(ids)).logits.numpy()
    return logits


def test_an_adapter_alone_says_what_it_needs(tmp_path: Path) -> None:
    """Without peft, one line; exit code 2 says that something is to be installed."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "base"}', encoding="utf-8")
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    code = (
        "import sys; sys.modules['peft'] = None; from clinspan_export.cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, str(folder), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 2, done.stderr
    assert "pip install peft" in done.stderr.splitlines()[-1]


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is deprecated"
)  # peft asks transformers 5 for it
def test_an_adapter_alone_is_merged_into_its_base(tmp_path: Path) -> None:
    """The bundle gives what the adapted model gives, not what its base gives."""
    peft = pytest.importorskip("peft")
    import torch
    from transformers import AutoModelForTokenClassification

    from clinspan_export import checkpoint

    base = tiny_checkpoints.save(tmp_path / "base")
    model = AutoModelForTokenClassification.from_pretrained(base)
    adapted = peft.get_peft_model(
        model, peft.LoraConfig(task_type="TOKEN_CLS", r=4, target_modules=["query"])
    )
    with torch.no_grad():
        for name, weights in adapted.named_parameters():
            if "lora_B" in name or "modules_to_save" in name:
                weights.normal_(0, 0.5)
    adapted.save_pretrained(tmp_path / "adapter")
    ids = torch.arange(5, 40)[None]
    with torch.inference_mode():
        expected = adapted.eval()(input_ids=ids).logits
        loaded = checkpoint.load(str(tmp_path / "adapter"))
        got = loaded.model(input_ids=ids).logits
        before = checkpoint.load(str(base)).model(input_ids=ids).logits
    assert torch.allclose(got, expected, atol=1e-5)
    assert not torch.allclose(before, expected, atol=1e-2)
    assert main([str(tmp_path / "adapter"), str(tmp_path / "out"), "--precision=fp32"]) == 0
