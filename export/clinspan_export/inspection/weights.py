"""Whether everything that the checkpoint's files hold is used by the model that transformers made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clinspan_export.errors import ExportError
from clinspan_export.inspection.checkpoint_files import ADAPTER, CheckpointFiles
from clinspan_export.inspection.config_keys import UNUSED_OPTION, split_allowed

# A pooler reads the first token for tasks of whole texts; position ids are 0, 1, 2 ...: neither reaches a token's label.
_HARMLESS = ("*pooler.dense.*", "pooler.dense.*", "*position_ids")


def check_adapters(files: CheckpointFiles, patterns: Sequence[str]) -> list[str]:
    """Refuse adapters and further weights beside the model's own.

    Returns:
        Files that were allowed by a pattern.

    Raises:
        ExportError: there are others; the message names them.
    """
    if ADAPTER in files.names and not files.is_adapter_alone:
        raise ExportError(
            f"{files.source} has an adapter beside its weights ({_listed([ADAPTER, *files.strangers])}): if it is merged "
            "already, take the adapter's files away; if not, export a folder with the adapter alone"
        )
    strangers = [] if files.is_adapter_alone else files.strangers
    refused, allowed = split_allowed(strangers, patterns)
    if refused:
        raise ExportError(
            f"{files.source} has weights beside the model's own: {_listed(refused)}: the export would leave them out; "
            f"take away what is not part of the model, or {UNUSED_OPTION} NAME for what you know to be harmless"
        )
    return allowed


def check_tensors(
    source: str,
    info: Mapping[str, Any],
    patterns: Sequence[str],
    *,
    task: str = "token classification",
    used: Sequence[str] = (),
) -> list[str]:
    """Hold a loaded model to its files: every tensor used, none missing.

    Args:
        source: of the checkpoint.
        info: what transformers says of the loading.
        patterns: names of tensors that may stay unused.
        task: what the model is for, for the message.
        used: names of tensors that the bundle uses elsewhere, such as those of a CRF.

    Returns:
        Tensors that were allowed by a pattern.

    Raises:
        ExportError: the message names the tensors.
    """
    missing = sorted(info["missing_keys"])
    if missing:
        raise ExportError(f"{source} lacks the weights {_listed(missing)}: it was not fine-tuned for {task}")
    unused, _ = split_allowed(sorted(set(info["unexpected_keys"]) - set(used)), _HARMLESS)
    refused, allowed = split_allowed(unused, patterns)
    if refused:
        raise ExportError(
            f"{source} has weights that the exported model does not use: {_listed(refused)}: without them it is "
            f"another model; {UNUSED_OPTION} PATTERN leaves out what you know to be harmless"
        )
    return allowed


def check_class(source: str, saved: Sequence[str], made: str, patterns: Sequence[str]) -> list[str]:
    """Refuse a checkpoint of another class than the model that transformers made of it: it may compute something else.

    Raises:
        ExportError: the message names both classes.
    """
    refused, allowed = split_allowed([name for name in saved if name != made], patterns)
    if refused:
        raise ExportError(
            f"{source} was saved by the class {refused[0]}, and transformers makes a {made} of it: it may be another "
            f"model; {UNUSED_OPTION} {refused[0]} goes on, if you know that both compute the same"
        )
    return allowed


def _listed(names: Iterable[str]) -> str:
    rows = list(names)
    return ", ".join(rows[:4]) + (f" and {len(rows) - 4} more" if len(rows) > 4 else "")
