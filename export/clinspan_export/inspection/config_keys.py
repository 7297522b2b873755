"""Whether the installed transformers knows all that a config.json says, and whether that asks for foreign code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from clinspan_export.errors import ExportError
from clinspan_export.inspection.checkpoint_files import CheckpointFiles, read_json

# Keys that never change what the encoder computes: how it was trained, how text is generated, who made it.
_HARMLESS = (
    "_*", "*dropout*", "*_token_id", "*_token_ids", "adapters", "architectures", "auto_map", "bad_words_ids",
    "begin_suppress_tokens", "chunk_size_feed_forward", "cross_attention_hidden_size", "decoder_start_token_id",
    "directionality", "diversity_penalty", "do_sample", "dtype", "early_stopping", "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty", "finetuning_task", "gradient_checkpointing", "id2label",
    "initializer_*", "label2id", "label_smoothing", "language", "length_penalty", "max_length", "min_length",
    "model_name", "model_type", "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_labels",
    "num_return_sequences", "output_attentions", "output_hidden_states", "output_past", "output_scores", "pooler_*",
    "prefix", "problem_type", "reference_compile", "remove_invalid_values", "repad_logits_with_grad",
    "repetition_penalty", "return_dict", "return_dict_in_generate", "sentence_transformers", "summary_*",
    "suppress_tokens", "task_specific_params", "temperature", "tie_encoder_decoder", "tie_word_embeddings",
    "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers_version", "typical_p",
    "unsloth_*", "use_bfloat16", "use_cache", "tf_legacy_loss",
    "clinspan",  # what our own training noted
    # ALBERT's own configurations carry these of another model.
    "down_scale_factor", "gap_size", "net_structure_type", "num_memory_blocks",
)  # fmt: skip
# Values that say of an unknown key that nothing is different.
_NEUTRAL = {"add_cross_attention": False, "is_decoder": False, "is_encoder_decoder": False}
_NEUTRAL_WORDS = {"position_embedding_type": "absolute"}
_IMPLEMENTATION = re.compile(r"_?\w*_implementation(_internal)?")
_OWN_IMPLEMENTATIONS = ("eager", "sdpa", "flash_attention_2", "flex_attention")

UNUSED_OPTION = "--allow-unused"


def split_allowed(names: Sequence[str], patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split names into those that no pattern allows and those that one does.

    >>> split_allowed(["crf.end", "head.bias"], ["crf.*"])
    (['head.bias'], ['crf.end'])
    """
    allowed = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return [name for name in names if name not in allowed], allowed


def check_code(files: CheckpointFiles, *, trusted: bool) -> None:
    """Refuse a checkpoint that would have transformers fetch or run code, before transformers reads it.

    Args:
        files: of the checkpoint.
        trusted: code that it brings along may run.

    Raises:
        ExportError: the message names the fields.
    """
    strange = sorted(set(_implementations(files.config)))
    if strange:
        raise ExportError(
            f"{files.source}: config.json names an implementation of its own in {', '.join(strange)}: transformers may "
            "fetch it from the Hub and run it; take the field out, which changes no weight"
        )
    if trusted:
        return
    mapped = _auto_map(files.config)
    tokenizer = files.folder / "tokenizer_config.json"
    if tokenizer.is_file():
        mapped += _auto_map(read_json(files.source, tokenizer))
    if mapped:
        raise ExportError(
            f"{files.source} brings code of its own (auto_map: {', '.join(sorted(set(mapped)))}): --trust-remote-code "
            "runs it, if you trust where it comes from; taking auto_map out leaves transformers' own model of this type"
        )


def _implementations(value: Any) -> Iterator[str]:
    """Fields, at any depth, that choose an implementation other than those that transformers has itself."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if _IMPLEMENTATION.fullmatch(key) and inner is not None and inner not in _OWN_IMPLEMENTATIONS:
                yield key
            yield from _implementations(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _implementations(inner)


def _auto_map(config: Mapping[str, Any]) -> list[str]:
    mapped = config.get("auto_map")
    return [str(name) for name in mapped] if isinstance(mapped, Mapping) else []


def check_version(files: CheckpointFiles, patterns: Sequence[str]) -> list[str]:
    """Refuse a checkpoint that a newer major version of transformers saved.

    Returns:
        What was allowed by a pattern.

    Raises:
        ExportError: it did, and no pattern allows it.
    """
    import transformers

    saved, installed = str(files.config.get("transformers_version", "")), transformers.__version__
    if not _major(saved) > _major(installed):
        return []
    refused, allowed = split_allowed(["transformers_version"], patterns)
    if refused:
        raise ExportError(
            f"{files.source} was saved by transformers {saved}, and {installed} is installed, which may read it as "
            f"another model: pip install 'transformers>={_major(saved)}' "
            f"({UNUSED_OPTION} transformers_version goes on without)"
        )
    return allowed


def _major(version: str) -> int:
    number = version.split(".")[0]
    return int(number) if number.isdigit() else 0


def unknown_keys(config: Mapping[str, Any], loaded: Any, model: type | None) -> list[str]:
    """Keys of a config.json that the installed transformers does not know and that may change what is computed.

    A key is known where the class of the configuration takes it, or where the code of the configuration or of the
    model names it.

    Args:
        config: content of config.json.
        loaded: the configuration that transformers made of it.
        model: class of the model; None where it is not known.
    """
    kind = type(loaded)
    known = set(inspect.signature(kind.__init__).parameters) | set(kind().to_dict())
    known |= set(getattr(kind, "attribute_map", {}))
    modules = {inspect.getmodule(one) for one in (kind, model) if one is not None}
    code = "\n".join(inspect.getsource(module) for module in modules if module is not None)
    return sorted(
        key
        for key, value in config.items()
        if key not in known
        and not any(fnmatchcase(key, pattern) for pattern in _HARMLESS)
        and not _is_neutral(key, value)
        and not re.search(rf"\b{re.escape(key)}\b", code)
    )


def _is_neutral(key: str, value: Any) -> bool:
    if value is None or value in ({}, []):
        return True
    return value is _NEUTRAL.get(key, ...) or value == _NEUTRAL_WORDS.get(key, ...)


def check_keys(files: CheckpointFiles, loaded: Any, model: type | None, patterns: Sequence[str]) -> list[str]:
    """Refuse a configuration with keys that the installed transformers does not know.

    Returns:
        Keys that were allowed by a pattern.

    Raises:
        ExportError: it has others; the message names them.
    """
    import transformers

    refused, allowed = split_allowed(unknown_keys(files.config, loaded, model), patterns)
    if refused:
        raise ExportError(
            f"{files.source}: config.json says {', '.join(refused)}, which transformers {transformers.__version__} does "
            f"not know for {files.config.get('model_type')} models: it may be another model without; install the "
            f"version that saved it ({files.config.get('transformers_version', 'not recorded')}), or "
            f"{UNUSED_OPTION} NAME for what you know to be harmless"
        )
    return allowed
