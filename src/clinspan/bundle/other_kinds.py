"""Folders of other kinds, given where a bundle was meant: say what each is, and the command that makes a bundle of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clinspan.errors import BundleError

_WEIGHTS = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
)  # fmt: skip
_TENSORFLOW = ("tf_model.h5", "saved_model.pb", "flax_model.msgpack")
_EXPORT = "a bundle is made of it once, by `clinspan-export {} OUT` (the extra `export`)"


def refuse_other_kinds(folder: Path) -> None:
    """Raise BundleError where a folder without a manifest is plainly something else than a model in ONNX."""
    if any(folder.glob("*.onnx")) or any(folder.glob("onnx/*.onnx")):
        return
    for found in _kinds(folder):
        raise BundleError(f"{folder} is {found}")


def _kinds(folder: Path) -> Iterator[str]:
    def has(*names: str) -> bool:
        return any((folder / name).is_file() for name in names)

    if has("adapter_config.json"):
        yield (
            "an adapter (PEFT, LoRA), without the model that it adapts: merge the two with "
            "peft's merge_and_unload(), save the result, and run clinspan-export on that"
        )
    if has("modules.json"):
        yield f"a sentence-transformers model: {_EXPORT.format(folder)}, for the class Embedder"
    if has(*_WEIGHTS):
        yield f"a PyTorch checkpoint: {_EXPORT.format(folder)}"
    steps = sorted(folder.glob("checkpoint-*"), key=lambda path: (len(path.name), path.name))
    if steps:
        yield f"the output of a training run, with checkpoints inside: {_EXPORT.format(steps[-1])}"
    if has("0_Transformer/config.json"):
        yield f"an old sentence-transformers model: {_EXPORT.format(folder / '0_Transformer')}"
    if has(*_TENSORFLOW):
        yield "a TensorFlow or Flax model: load it with transformers (from_tf=True), save it, and run clinspan-export on that"
    if has("config.cfg") and has("meta.json"):
        yield "a spaCy pipeline, which clinspan does not read: spacy.load reads it"
    if any(folder.glob("*.gguf")):
        yield "a GGUF model, which is of a kind that clinspan does not read"
    if has("config.json") and not has("tokenizer.json"):
        yield "a model's configuration without its weights and its tokenizer.json: the download is not complete"
