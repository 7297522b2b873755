"""Load a fine-tuned checkpoint: a local folder or a Hub id, whatever transformers resolves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinspan_export.errors import ExportError, first_line
from clinspan_export.quiet import quiet


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A token classification model in PyTorch, in fp32 and evaluation mode, and its tokenizer.

    Attributes:
        source: folder or Hub id, as given.
        revision: commit of the Hub repository where there is one.
        model: transformers model.
        tokenizer: transformers fast tokenizer.
        labels: label names in the order of the logits.
        sha256: of the file of weights; empty where they lie in several.
        original: transformers model that this one was pruned from; None where it was not.
        pruned: record of the pruning, for the manifest.
    """

    source: str
    revision: str
    model: Any
    tokenizer: Any
    labels: Sequence[str]
    sha256: str = ""
    original: Any = None
    pruned: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a checkpoint is trusted.

    Attributes:
        revision: branch, tag or commit of a Hub id; None for the newest.
        trust_remote_code: run code that the checkpoint brings along.
        allow_pickle: accept pickled weights, which can run code when they are read.
    """

    revision: str | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False


def load(source: str, trust: Trust | None = None) -> Checkpoint:
    """Load a checkpoint for export.

    Args:
        source: local folder or Hub id.
        trust: its revision and permissions; None for the newest revision and no permission.

    Raises:
        ExportError: it is missing, damaged, of another task, or needs a permission that `trust` withholds.
    """
    check_local(source)
    with quiet():
        return _load(source, trust or Trust())


def _load(source: str, trust: Trust) -> Checkpoint:
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification

    options = {"revision": trust.revision, "trust_remote_code": trust.trust_remote_code}
    with explained(source):
        config = AutoConfig.from_pretrained(source, **options)
    _check_task(source, config)
    with explained(source):
        model, info = AutoModelForTokenClassification.from_pretrained(
            source,
            config=config,
            dtype=torch.float32,
            use_safetensors=None if trust.allow_pickle else True,
            output_loading_info=True,
            **options,
        )
    if info["missing_keys"]:
        raise ExportError(
            f"{source} lacks the weights {', '.join(sorted(info['missing_keys'])[:3])}: "
            "it was not fine-tuned for token classification"
        )
    labels = [str(config.id2label[index]) for index in range(config.num_labels)]
    commit = getattr(config, "_commit_hash", None) or ""
    tokenizer = load_tokenizer(source, options)
    return Checkpoint(source, commit, model.eval(), tokenizer, labels, _weights_sha256(source, commit))


def _weights_sha256(source: str, commit: str) -> str:
    """Sha256 of the file that the weights were read from."""
    from transformers.utils import cached_file

    for name in ("model.safetensors", "pytorch_model.bin"):
        path = cached_file(
            source,
            name,
            revision=commit or None,
            local_files_only=True,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        if path is not None:
            with Path(path).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
    return ""


def check_local(source: str) -> None:
    """Refuse a path that holds no checkpoint; what may be a Hub id passes."""
    folder = Path(source)
    if folder.exists() and not (folder / "config.json").is_file():
        raise ExportError(f"{source} has no config.json: expected a Hugging Face checkpoint folder")
    if not folder.exists() and (source.startswith((".", "/", "~")) or source.count("/") > 1):
        raise ExportError(f"{source} does not exist")


def _check_task(source: str, config: Any) -> None:
    wrong = [name for name in config.architectures or [] if not name.endswith("ForTokenClassification")]
    if wrong:
        raise ExportError(
            f"{source} is a {wrong[0]}: expected a checkpoint fine-tuned for token classification"
        )


def load_tokenizer(source: str, options: dict[str, Any]) -> Any:
    """Load the fast tokenizer of a checkpoint; raises ExportError where it has only a slow one."""
    from transformers import AutoTokenizer

    try:
        with explained(source):
            tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, **options)
    except ExportError as error:
        raise ExportError(f"{source} has no tokenizer that transformers can load") from error
    if not tokenizer.is_fast:
        raise ExportError(
            f"{source} has only a slow tokenizer ({type(tokenizer).__name__}) that transformers cannot convert: "
            "the runtime needs a tokenizer.json"
        )
    return tokenizer


LOSES_CASE = "the tokenizer lowers case, and its vocabulary is cased; is do_lower_case right?"


def loses_case(tokenizer: Any) -> bool:
    """Tell whether the tokenizer lowers case although its vocabulary is cased.

    Old cased checkpoints bring a vocab.txt and no settings, and transformers then lowers case by default.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    normalizer = None if backend is None else backend.normalizer
    if normalizer is None or normalizer.normalize_str("A").strip("\u2581") != "a":
        return False
    special = set(tokenizer.all_special_tokens)
    vocabulary: list[str] = [token for token in tokenizer.get_vocab() if token not in special]
    words = [token for token in vocabulary if token[:1] not in ("[", "<")]
    return sum(token != token.lower() for token in words) > len(words) / 20


@contextmanager
def explained(source: str) -> Iterator[None]:
    """Turn what transformers raises into one clear line."""
    try:
        yield
    except Exception as error:
        text = str(error)
        if "trust_remote_code" in text:
            reason = "needs code of its own; --trust-remote-code runs it, if you trust where it comes from"
        elif "safetensors" in text and "use_safetensors" not in text:
            reason = "has no model.safetensors; --allow-pickle reads pickled weights, if you trust where they come from"
        else:
            reason = f"cannot be loaded ({type(error).__name__}: {first_line(error)})"
        raise ExportError(f"{source} {reason}") from error
