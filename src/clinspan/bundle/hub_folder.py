"""Folders of the Hub: where its cache has them, and what a manifest would say of one that has none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinspan.bundle.integrity import FileRecord, check_name
from clinspan.errors import BundleError
from clinspan.strict_json import MAX_JSON_BYTES, MAX_NAME, Fields, brief, parse_json, read_bytes

# Where others keep a model of each precision, best first; our own layout comes first. These are the names of
# transformers.js, optimum (O1 to O4, where O4 is fp16) and sentence-transformers (qint8 for one kind of processor).
_FILES = {
    "int8": (
        "model_int8", "model_quantized", "model_uint8", "model_q8", "model_qint8_avx512_vnni", "model_qint8_avx512",
        "model_qint8_avx2", "model_quint8_avx2", "model_qint8_arm64", "model_quint8",
    ),
    "fp32": ("model", "model_optimized", "model_fp32", "model_O3", "model_O2", "model_O1"),
    "fp16": ("model_fp16", "model_O4"),
}  # fmt: skip
# Model types whose positions begin behind the padding id, as in fairseq.
_POSITIONS_AFTER_PADDING = {
    "camembert", "data2vec-text", "ibert", "longformer", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
# org/name, and perhaps a commit, tag or branch behind @.
_NAME = re.compile(rf"({_PART})/({_PART})(?:@({_PART}(?:/{_PART})*))?")
_COMMIT = re.compile("[0-9a-f]{40}")


def label_names(config: Fields) -> list[str]:
    """Label names in the order of the logits, from `id2label`, without whitespace around them.

    Numbers may begin at 1: with as many names as the model has columns, they can only mean the same order.
    """
    id2label = config.get("id2label", dict)
    if not all(isinstance(name, str | int) for name in id2label.values()):
        raise BundleError(f"{config.source}: id2label holds something else than names")
    count = len(id2label)
    first = 1 if "0" not in id2label and str(count) in id2label else 0
    try:
        names = [str(id2label[str(index)]).strip() for index in range(first, first + count)]
    except KeyError as error:
        raise BundleError(
            f"{config.source}: id2label is numbered {_shown_numbers(id2label)}: expected 0 to {count - 1}, every "
            "number once"
        ) from error
    for name in names:
        if len(name) > MAX_NAME or not name.isprintable():
            raise BundleError(
                f"{config.source}: id2label holds {brief(name)}: expected at most {MAX_NAME} printable "
                "characters"
            )
    return names


def _shown_numbers(id2label: Mapping[str, Any]) -> str:
    numbers = [brief(number)[1:-1] for number in id2label]
    return ", ".join(numbers[:8]) + (" ..." if len(numbers) > 8 else "")


def find_models(folder: Path) -> dict[str, FileRecord]:
    """The models of a folder by precision; their hashes are not known."""
    found = model_paths(lambda path: (folder / path).is_file())
    return {
        precision: FileRecord(path, (folder / path).stat().st_size, "") for precision, path in found.items()
    }


def model_paths(there: Callable[[str], bool]) -> dict[str, str]:
    """The best model of each precision, among the paths that `there` says are there.

    >>> model_paths({"onnx/model.onnx", "model.onnx"}.__contains__)
    {'fp32': 'onnx/model.onnx'}
    """
    places = {
        precision: [f"{place}{name}.onnx" for name in names for place in ("onnx/", "")]
        for precision, names in _FILES.items()
    }
    found = {precision: next(filter(there, paths), None) for precision, paths in places.items()}
    return {precision: path for precision, path in found.items() if path is not None}


def other_models(folder: Path) -> list[str]:
    """ONNX files of a folder under names that say no precision that is read, such as `onnx/model_q4.onnx`."""
    known = {f"{name}.onnx" for names in _FILES.values() for name in names}
    return sorted(
        path.relative_to(folder).as_posix()
        for place in (folder / "onnx", folder)
        for path in place.glob("*.onnx")
        if path.name not in known
    )


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


@dataclass(frozen=True, slots=True)
class SentenceSettings:
    """Settings of sentence-transformers in a model's folder.

    Attributes:
        pooling: how one vector is made of those of the tokens, as it names it there.
        normalize: every vector is brought to length 1.
        window: tokens that it reads at once, without two special ones; None where that is not said.
    """

    pooling: str
    normalize: bool
    window: int | None


def sentence_settings(folder: Path) -> SentenceSettings | None:
    """Read the settings of sentence-transformers from a folder; None where it has no modules.json.

    Raises:
        BundleError: it does more than pool and normalise.
    """
    source = folder / "modules.json"
    if not source.is_file():
        return None
    modules = parse_json(read_bytes(source, MAX_JSON_BYTES), str(source), error=BundleError)
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise BundleError(f"{source} is not a list of modules")
    kinds = [str(module.get("type")).rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise BundleError(
            f"{source}: {', '.join(map(brief, kinds))}: expected a transformer, its pooling, and perhaps a "
            "normalisation; `clinspan-export CHECKPOINT OUT` builds others into the graph"
        )
    place = str(modules[1].get("path"))
    check_name(place)
    # Its version 6 writes the length into the tokenizer's settings alone.
    length = _sentence_file(folder / "sentence_bert_config.json").data.get("max_seq_length")
    if length is None:
        length = _sentence_file(folder / "tokenizer_config.json").data.get("model_max_length")
    window = length - 2 if isinstance(length, int) and not isinstance(length, bool) and length > 2 else None
    return SentenceSettings(_pooling(_sentence_file(folder / place / "config.json")), len(kinds) == 3, window)


def _pooling(settings: Fields) -> str:
    """The pooling of `1_Pooling/config.json`: named, or the only switch that is on."""
    named = settings.data.get("pooling_mode")
    prefix = "pooling_mode_"
    on = [name.removeprefix(prefix).removesuffix("_token").removesuffix("_tokens")
          for name, value in settings.data.items() if name.startswith(prefix) and value is True]  # fmt: skip
    found = [named] if isinstance(named, str) else on
    if len(found) != 1 or settings.data.get("include_prompt") is False:
        raise BundleError(f"{settings.source} pools in a way that is not read: expected mean, cls or max")
    return str(found[0])


def _sentence_file(path: Path) -> Fields:
    return Fields.parse(read_bytes(path, MAX_JSON_BYTES) if path.is_file() else b"{}", path)


def is_hub_name(path: str) -> bool:
    """Tell whether a path that leads nowhere is the name of a repository on the Hub.

    >>> is_hub_name("clinic/tagger@v1"), is_hub_name("./clinic/tagger")
    (True, False)
    """
    return _NAME.fullmatch(path) is not None and not Path(path).exists()


def split_name(name: str) -> tuple[str, str]:
    """Split `org/name` or `org/name@revision`; without a revision it is the branch `main`.

    Raises:
        BundleError: it is not such a name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise BundleError(f"{brief(name)} is not a name such as org/name or org/name@revision")
    return f"{match[1]}/{match[2]}", match[3] or "main"


def cached_folder(name: str) -> Path:
    """Find the files of a repository in the local Hub cache.

    Args:
        name: `org/name`, or `org/name@revision`; without a revision its branch `main`.

    Raises:
        BundleError: it is not there; the message says what brings it.
    """
    repository, revision = split_name(name)
    place = hub_cache() / f"models--{repository.replace('/', '--')}"
    reference = place / "refs" / revision
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
    folder = place / "snapshots" / commit
    if not _COMMIT.fullmatch(commit) or not folder.is_dir():
        wanted = f" --revision {revision}" if "@" in name else ""
        raise BundleError(
            f"{name} is not a folder, and the Hub cache ({hub_cache()}) does not have it: `clinspan pull {name} "
            f"OUT` makes a folder of it, and `hf download {repository}{wanted}` brings it into the cache"
        )
    return folder


def hub_cache() -> Path:
    """The folder of the Hub cache, by the environment variables that huggingface_hub reads."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(home).expanduser() / "hub"
