"""Load a fine-tuned checkpoint: a local folder or a Hub id, whatever transformers resolves.

Over 300 lines, because each refusal says what was found and what to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clinspan.errors import ClinspanError
from clinspan.text.viterbi import Crf
from clinspan_export.errors import ExportError, first_line
from clinspan_export.inspection.adapters import base_of, label_count, merged
from clinspan_export.inspection.checkpoint_files import CheckpointFiles, find_files, held_file
from clinspan_export.inspection.config_keys import check_code, check_keys, check_version
from clinspan_export.inspection.crf_tables import crf_names, is_crf_class, read_crf, read_tensors
from clinspan_export.inspection.used_weights import is_own_code, unused_weights
from clinspan_export.inspection.weights import check_adapters, check_class, check_tensors
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
        unused: what its files hold and the model does not use, allowed by `Trust.allow_unused`.
        crf: tables of the CRF that decides the labels; None where the logits alone do.
    """

    source: str
    revision: str
    model: Any
    tokenizer: Any
    labels: Sequence[str]
    sha256: str = ""
    original: Any = None
    pruned: Mapping[str, Any] = field(default_factory=dict)
    unused: Sequence[str] = ()
    crf: Crf | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a checkpoint is trusted.

    Attributes:
        revision: branch, tag or commit of a Hub id; None for the newest.
        trust_remote_code: run code that the checkpoint brings along.
        allow_pickle: accept pickled weights, which can run code when they are read.
        allow_unused: patterns of tensors, files and keys of config.json that may stay unused, such as `head.*`.
    """

    revision: str | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False
    allow_unused: Sequence[str] = ()


def inspect(source: str, trust: Trust) -> CheckpointFiles:
    """Look at a checkpoint's files, before transformers does; of a Hub id, config.json is downloaded.

    Raises:
        ExportError: it is missing, damaged, or would have transformers fetch or run code.
    """
    check_local(source)
    with quiet(), explained(source):
        files = find_files(source, trust.revision)
        check_code(files, trusted=trust.trust_remote_code)
        return files


def load_config(source: str, trust: Trust) -> tuple[Any, list[str]]:
    """Load the configuration of a checkpoint that is not an adapter.

    Returns:
        The configuration, and what the installed transformers does not know of it, as `trust` allows.

    Raises:
        ExportError: as `inspect`, or the installed transformers does not know all of it.
    """
    files = inspect(source, trust)
    if files.is_adapter_alone:
        raise ExportError(f"{source} is an adapter alone: merge it into its base first (merge_and_unload)")
    options = {"revision": trust.revision, "trust_remote_code": trust.trust_remote_code}
    with quiet(), explained(source):
        unused = check_adapters(files, trust.allow_unused) + check_version(files, trust.allow_unused)
        config = _config(source, files.config, options)
        unused += check_keys(files, config, model_class(config), trust.allow_unused)
    return config, unused


# Told the label names, in the order of the logits, and the configuration before the weights are downloaded.
Preview = Callable[[Sequence[str], Any], None]


def load(source: str, trust: Trust | None = None, *, preview: Preview = lambda _, __: None) -> Checkpoint:
    """Load a checkpoint for export.

    Args:
        source: local folder or Hub id.
        trust: its revision and permissions; None for the newest revision and no permission.
        preview: told the labels and the configuration before the weights are loaded; stops the loading by raising.

    Raises:
        ExportError: it is missing, damaged, of another task, needs a permission that `trust` withholds, or holds
            more than the installed transformers would use.
        MissingDependencyError: it is an adapter, and peft is not installed.
    """
    check_local(source)
    with quiet():
        return _load(source, trust or Trust(), preview)


def _load(source: str, trust: Trust, preview: Preview) -> Checkpoint:
    files = inspect(source, trust)
    if files.is_adapter_alone:
        return _load_adapter(files, trust, preview)
    options = {"revision": trust.revision, "trust_remote_code": trust.trust_remote_code}
    config, unused = load_config(source, trust)
    saved, made = config.architectures or [], own_class(config) if trust.trust_remote_code else ""
    kind = None if made else model_class(config)
    if not made:
        _check_task(source, config)
        made = "" if kind is None else kind.__name__
    with_crf = [name for name in saved if is_crf_class(name, made)]
    if kind is not None:
        unused += check_class(source, saved, made, [*trust.allow_unused, *with_crf])
        unused = [name for name in unused if name not in with_crf]
    labels = _name_labels(source, config)
    preview(labels, config)
    model, info = _weights(source, config, trust, options)
    commit, names = files.commit, crf_names(info["unexpected_keys"])
    with explained(source):
        tensors = read_tensors(source, commit, list(names.values()))
        if is_own_code(model):
            left_out = unused_weights(source, model)
            names, tensors = crf_names([*left_out, *dict(model.named_buffers())]), model.state_dict()
            info = {**info, "unexpected_keys": [*info["unexpected_keys"], *left_out]}
    crf = read_crf(source, names, tensors, len(labels))
    if crf is None and kind is not None:
        unused += check_class(source, with_crf, made, trust.allow_unused)
    unused += check_tensors(source, info, trust.allow_unused, used=tuple(names.values()))
    tokenizer, sha256 = load_tokenizer(source, options), _weights_sha256(source, commit)
    return Checkpoint(source, commit, model.eval(), tokenizer, labels, sha256, unused=tuple(unused), crf=crf)


def _load_adapter(files: CheckpointFiles, trust: Trust, preview: Preview) -> Checkpoint:
    """Load the weights that an adapter was trained on, and merge it into them."""
    from transformers import AutoConfig

    base = base_of(files)
    config, unused = load_config(base, replace(trust, revision=None, trust_remote_code=False))
    count = label_count(files)
    if files.config:
        own = AutoConfig.from_pretrained(str(files.folder))
        config.id2label, config.label2id = own.id2label, own.label2id
    elif count is not None and count != config.num_labels:
        config.num_labels = count  # names them LABEL_0, LABEL_1 ...
    labels = _name_labels(files.source, config)
    preview(labels, config)
    model, info = _weights(base, config, trust, {"ignore_mismatched_sizes": True})
    if count is None or not set(info["missing_keys"]) <= _CLASSIFIER:
        unused += check_tensors(base, info, trust.allow_unused)
    model = merged(model, files)
    config.architectures = [type(model).__name__]
    where = files.source if any(name.startswith("tokenizer") for name in files.names) else base
    commit, tokenizer = trust.revision or "", load_tokenizer(where, {})
    return Checkpoint(files.source, commit, model.eval(), tokenizer, labels, unused=tuple(unused))


# What an adapter may bring along for a base that was not fine-tuned for token classification.
_CLASSIFIER = {"classifier.weight", "classifier.bias", "score.weight", "score.bias"}


def _config(source: str, content: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """Make the configuration of a checkpoint, its labels numbered from 0."""
    from transformers import AutoConfig

    id2label = content.get("id2label")
    if isinstance(id2label, Mapping) and "0" not in id2label and str(len(id2label)) in id2label:
        # Numbered from 1: with as many names as columns, they can only mean the same order.
        names = [id2label.get(str(number)) for number in range(1, len(id2label) + 1)]
        if None not in names:
            numbers = {str(name): number for number, name in enumerate(names)}
            options = {**options, "id2label": dict(enumerate(names)), "label2id": numbers}
    return AutoConfig.from_pretrained(source, **options)


def _name_labels(source: str, config: Any) -> list[str]:
    """List the labels in the order of the logits, without whitespace around them, and write them so to config.json."""
    missing = [number for number in range(config.num_labels) if number not in config.id2label]
    if missing:
        raise ExportError(
            f"{source}: id2label in config.json has no name for {', '.join(map(str, missing[:4]))}: expected one for "
            f"each number from 0 to {config.num_labels - 1}"
        )
    labels = [str(config.id2label[number]).strip() for number in range(config.num_labels)]
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    return labels


def model_class(config: Any) -> type | None:
    """Find the class of transformers' model for token classification with this configuration."""
    from transformers import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING

    found: type | None = MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING.get(type(config), None)
    return found


def _weights(
    source: str, config: Any, trust: Trust, options: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    import torch
    from transformers import AutoModelForTokenClassification

    with explained(source):
        model, info = AutoModelForTokenClassification.from_pretrained(
            source,
            config=config,
            dtype=torch.float32,
            use_safetensors=None if trust.allow_pickle else True,
            output_loading_info=True,
            **options,
        )
    return model, info


def _weights_sha256(source: str, commit: str) -> str:
    """Sha256 of the file that the weights were read from."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        path = held_file(source, commit, name)
        if path is not None:
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
    return ""


def check_local(source: str) -> None:
    """Refuse a path that holds no checkpoint; what may be a Hub id passes."""
    folder = Path(source)
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{source} is a file: expected a Hugging Face checkpoint folder")
    if not folder.exists() and (source.startswith((".", "/", "~")) or source.count("/") > 1):
        raise ExportError(f"{source} does not exist")


def own_class(config: Any) -> str:
    """Name the class for token classification in the code that a checkpoint brings along; empty where it brings none."""
    named = (getattr(config, "auto_map", None) or {}).get("AutoModelForTokenClassification", "")
    return str(named).rpartition(".")[2]


def _check_task(source: str, config: Any) -> None:
    kind = model_class(config)
    wrong = [
        name
        for name in config.architectures or []
        if not name.endswith("ForTokenClassification")
        and (kind is None or not is_crf_class(name, kind.__name__))
    ]
    if wrong:
        raise ExportError(
            f"{source} is a {wrong[0]}: expected a checkpoint fine-tuned for token classification"
        )


# The class of a tokenizer.json that needs no other, and the name of further special tokens, since transformers 5.
BACKEND, EXTRA_TOKENS = "TokenizersBackend", "extra_special_tokens"


def load_tokenizer(source: str, options: dict[str, Any]) -> Any:
    """Load the fast tokenizer of a checkpoint; raises ExportError where it has only a slow one."""
    import transformers
    from transformers.models.auto.tokenization_auto import get_tokenizer_config

    try:
        with explained(source):
            saved = get_tokenizer_config(source, **options)
            loader = transformers.AutoTokenizer
            # As transformers 5 saves them; 4 reads neither name.
            if saved.get("tokenizer_class") == BACKEND:
                loader = transformers.PreTrainedTokenizerFast
            if isinstance(saved.get(EXTRA_TOKENS), list):
                options = {**options, EXTRA_TOKENS: {}, "additional_special_tokens": saved[EXTRA_TOKENS]}
            tokenizer = loader.from_pretrained(source, use_fast=True, **options)
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
    except ClinspanError:
        raise
    except Exception as error:
        text = str(error)
        if "trust_remote_code" in text:
            reason = "needs code of its own; --trust-remote-code runs it, if you trust where it comes from"
        elif "safetensors" in text and "use_safetensors" not in text:
            reason = "has no model.safetensors; --allow-pickle reads pickled weights, if you trust where they come from"
        else:
            reason = f"cannot be loaded ({type(error).__name__}: {first_line(error)})"
        raise ExportError(f"{source} {reason}") from error
