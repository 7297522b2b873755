"""A folder that holds a LoRA adapter alone: load the weights that it was trained on, and merge it into them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from clinspan.errors import MissingDependencyError
from clinspan_export.errors import ExportError
from clinspan_export.inspection.checkpoint_files import ADAPTER, CheckpointFiles, read_json

_CLASSIFIER = "classifier.weight"


def base_of(files: CheckpointFiles) -> str:
    """Name the checkpoint that an adapter was trained on: a folder or Hub id.

    Raises:
        ExportError: the adapter does not say, or is of a kind that cannot be merged.
        MissingDependencyError: peft is not installed.
    """
    if importlib.util.find_spec("peft") is None:
        raise MissingDependencyError(
            f"{files.source} is an adapter: pip install peft to have it merged, or merge it first (merge_and_unload) and "
            "export the result"
        )
    settings = read_json(files.source, files.folder / ADAPTER)
    base = settings.get("base_model_name_or_path")
    if not base:
        raise ExportError(f"{files.source}: {ADAPTER} does not say which weights it was trained on")
    beside = files.folder / str(base)
    return str(beside if beside.is_dir() and not Path(base).is_dir() else base)


def label_count(files: CheckpointFiles) -> int | None:
    """Rows of the classifier that the adapter brings along; None where it keeps that of its base."""
    from safetensors import safe_open

    path = files.folder / "adapter_model.safetensors"
    if not path.is_file():
        raise ExportError(f"{files.source} has no adapter_model.safetensors: save the adapter as safetensors")
    with safe_open(path, framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118 - not a dictionary
            if name.endswith(_CLASSIFIER):
                return int(weights.get_slice(name).get_shape()[0])
    return None


def merged(model: Any, files: CheckpointFiles) -> Any:
    """Merge an adapter into the model of its base.

    Raises:
        ExportError: it does not fit the model, or some of it would be left out.
    """
    from peft import PeftModel
    from safetensors import safe_open

    with safe_open(files.folder / "adapter_model.safetensors", framework="pt") as weights:
        saved = set(weights.keys())
    try:
        adapted = PeftModel.from_pretrained(model, str(files.folder))
    except (RuntimeError, ValueError, KeyError) as error:
        raise ExportError(
            f"{files.source} does not fit the weights it was trained on ({type(error).__name__})"
        ) from error
    there = {name.replace(".default", "").replace(".modules_to_save", "") for name in adapted.state_dict()}
    unused = sorted(name for name in saved if name not in there)
    if unused:
        raise ExportError(
            f"{files.source}: the adapter holds {', '.join(unused[:4])}, which the model has no place for"
        )
    return adapted.merge_and_unload()
