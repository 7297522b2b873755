"""Folders without a manifest: what it would say, derived from config.json and the names of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinspan.bundle.integrity import FileRecord
from clinspan.errors import BundleError
from clinspan.strict_json import MAX_NAME, Fields, brief

# Where others keep a model of each precision, best first; our own layout comes first.
_FILES = {
    "int8": ("model_int8.onnx", "model_quantized.onnx"),
    "fp32": ("model.onnx",),
    "fp16": ("model_fp16.onnx",),
}
# Model types whose positions begin behind the padding id, as in fairseq.
_POSITIONS_AFTER_PADDING = {
    "camembert", "data2vec-text", "ibert", "longformer", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip


def label_names(config: Fields) -> list[str]:
    """Label names in the order of the logits, from `id2label`."""
    id2label = config.get("id2label", dict)
    if not all(isinstance(name, str | int) for name in id2label.values()):
        raise BundleError(f"{config.source}: id2label holds something else than names")
    try:
        names = [str(id2label[str(index)]) for index in range(len(id2label))]
    except KeyError as error:
        raise BundleError(f"{config.source}: id2label is not numbered 0 to {len(id2label) - 1}") from error
    for name in names:
        if len(name) > MAX_NAME or not name.isprintable():
            raise BundleError(
                f"{config.source}: id2label holds {brief(name)}: expected at most {MAX_NAME} printable "
                "characters"
            )
    return names


def find_models(folder: Path) -> dict[str, FileRecord]:
    """The models of a folder by precision; their hashes are not known."""
    return {
        precision: FileRecord(path.relative_to(folder).as_posix(), path.stat().st_size, "")
        for precision, files in _FILES.items()
        for path in [next((p for f in files for p in (folder / "onnx" / f, folder / f) if p.is_file()), None)]
        if path is not None
    }


def max_content_tokens(config: Mapping[str, Any]) -> int:
    """Most tokens that a model can read at once without its two special tokens, from its config.json.

    >>> max_content_tokens({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1})
    510
    """
    positions = config.get("max_position_embeddings", 512)
    if not isinstance(positions, int) or isinstance(positions, bool) or positions < 4:
        raise BundleError(f"config.json: max_position_embeddings is {brief(positions)}: expected an integer")
    model_type = config.get("model_type")
    if not isinstance(model_type, str | None):
        raise BundleError(f"config.json: model_type is {brief(model_type)}: expected a name")
    if model_type in _POSITIONS_AFTER_PADDING:
        padding = config.get("pad_token_id", 1)
        positions -= (padding if isinstance(padding, int) else 1) + 1
    elif model_type == "mpnet":
        positions -= 2  # its padding id is 1 whatever the configuration says
    return positions - 2
