"""The likeliest folders that are not bundles: one line says what each is, and what to run."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import bundles

from clinspan import BundleError, Recognizer

KINDS = {
    "PyTorch checkpoint": (
        ["config.json", "model.safetensors"],
        "is a PyTorch checkpoint: .*clinspan-export .* OUT",
    ),
    "pickled weights": (["config.json", "pytorch_model.bin"], "is a PyTorch checkpoint"),
    "shards": (["config.json", "model.safetensors.index.json"], "is a PyTorch checkpoint"),
    "PEFT": (["adapter_config.json", "adapter_model.safetensors"], "is an adapter .*merge_and_unload"),
    "Trainer": (
        ["checkpoint-500/model.safetensors", "checkpoint-1000/model.safetensors"],
        "output of a training run.*clinspan-export .*checkpoint-1000 OUT",
    ),
    "sentence-transformers": (["modules.json", "model.safetensors"], "sentence-transformers model.*Embedder"),
    "old sentence-transformers": (["0_Transformer/config.json"], "clinspan-export .*0_Transformer OUT"),
    "TensorFlow": (["config.json", "tf_model.h5"], "TensorFlow"),
    "spaCy": (["config.cfg", "meta.json"], "spaCy pipeline"),
    "GGUF": (["model.gguf"], "GGUF"),
    "half a download": (["config.json"], "download is not complete"),
    "nothing": ([], "has neither clinspan.json nor config.json"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_another_kind_is_named(kind: str, tmp_path: Path) -> None:
    """By what it is, before anything of it is read."""
    files, expected = KINDS[kind]
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    with pytest.raises(BundleError, match=expected) as caught:
        Recognizer.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_onnx_folder_with_weights_beside_it_loads(tmp_path: Path) -> None:
    """Repositories of the Hub hold both."""
    folder = bundles.bundle(tmp_path / "bundle")
    (folder / "clinspan.json").unlink()
    (folder / "model.safetensors").write_text("x")
    with Recognizer.load(folder, threads=1) as recognizer:
        assert recognizer.recognize("pain") is not None
