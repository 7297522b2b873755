"""Folders of sentence-transformers: which steps follow the encoder, read from modules.json without running its code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinspan_export.errors import ExportError

MODULES = "modules.json"
_MODES = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max"}


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """A dense layer behind the pooling: its folder, its settings, and the name of its activation in torch.nn."""

    folder: Path
    inputs: int
    outputs: int
    bias: bool
    activation: str


@dataclass(frozen=True, slots=True)
class SentenceFolder:
    """Settings of a folder of sentence-transformers.

    Attributes:
        encoder: folder of the transformer.
        pooling: how its tokens become a vector; several are joined.
        dense: layers behind that.
        normalize: vectors are brought to length 1 at the end.
        max_tokens: that it reads, special tokens included; None where it does not say.
        lower: text is lower-cased before it is tokenized.
    """

    encoder: Path
    pooling: Sequence[str]
    dense: Sequence[DenseLayer]
    normalize: bool
    max_tokens: int | None
    lower: bool


def read_sentence_folder(folder: Path) -> SentenceFolder:
    """Read modules.json and the settings of its modules.

    Raises:
        ExportError: a module is one that cannot be put into the graph, or a setting cannot be read.
    """
    encoder: Path | None = None
    pooling: Sequence[str] = ()
    dense: list[DenseLayer] = []
    normalize = False
    for module in _json(folder / MODULES):
        kind, path = str(module["type"]).rpartition(".")[2], folder / str(module["path"])
        if kind == "Transformer" and encoder is None:
            encoder = path
        elif kind == "Pooling" and encoder is not None and not pooling:
            pooling = _pooling(_json(path / "config.json"), folder)
        elif kind == "Dense" and pooling and not normalize:
            dense.append(_dense(path))
        elif kind == "Normalize" and pooling and not normalize:
            normalize = True
        else:
            raise ExportError(
                f"{folder / MODULES} has a module {kind} in a place where it cannot be exported"
            )
    if encoder is None or not pooling:
        raise ExportError(f"{folder / MODULES} has no Transformer and Pooling: expected both")
    _check_prompt(folder)
    settings = _json(encoder / "sentence_bert_config.json", {})
    return SentenceFolder(
        encoder,
        pooling,
        dense,
        normalize,
        settings.get("max_seq_length"),
        bool(settings.get("do_lower_case")),
    )


def _pooling(settings: dict[str, Any], folder: Path) -> Sequence[str]:
    named = settings.get("pooling_mode")
    if named is not None:
        chosen = [named] if isinstance(named, str) else list(named)
    else:
        chosen = [name.removeprefix("pooling_mode_") for name, on in settings.items() if on is True]
        chosen = [_MODES.get(name, name) for name in chosen if name != "include_prompt"]
    unknown = [name for name in chosen if name not in _MODES.values()]
    if unknown or not chosen:
        raise ExportError(f"{folder} pools by {unknown or 'nothing'}: expected {', '.join(_MODES.values())}")
    return chosen


def _dense(path: Path) -> DenseLayer:
    settings = _json(path / "config.json")
    activation = str(settings.get("activation_function", "torch.nn.modules.linear.Identity")).rpartition(".")[
        2
    ]
    if activation not in ("Identity", "Tanh", "ReLU", "GELU", "Sigmoid"):
        raise ExportError(f"{path} has the activation {activation}, which cannot be exported")
    return DenseLayer(
        path, settings["in_features"], settings["out_features"], bool(settings.get("bias", True)), activation
    )


def _check_prompt(folder: Path) -> None:
    default = _json(folder / "config_sentence_transformers.json", {}).get("default_prompt_name")
    if default is not None:
        raise ExportError(
            f"{folder} puts the prompt {default!r} before every text by default, which a bundle cannot say yet"
        )


def _json(path: Path, default: Any = None) -> Any:
    if default is not None and not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be read") from error
