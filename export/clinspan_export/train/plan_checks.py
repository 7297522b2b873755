"""Refuse a training that could not end well, before it reads a document or downloads weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clinspan.bundle.hub_folder import max_content_tokens
from clinspan.errors import InputError
from clinspan_export.checkpoint import Trust, load_config
from clinspan_export.errors import ExportError
from clinspan_export.inspection.output_folder import check_place

STATE = "training_state.pt"


def check_device(name: str) -> None:
    """Refuse a device that torch does not have here.

    Raises:
        InputError: there is no such device, or it cannot be used.
    """
    import torch

    try:
        device = torch.device(name)
        if device.type == "cuda" and not torch.cuda.is_available():
            raise InputError(f"device {name!r}: this torch has no CUDA that works here; use --device cpu")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used here: expected cpu, cuda or cuda:N") from error


def check_base(base: str, window: int) -> Any:
    """Refuse an encoder that is missing, that would run foreign code, or that cannot read such a window.

    Returns:
        Its configuration.

    Raises:
        ExportError: it is missing or cannot be loaded.
        InputError: it reads fewer tokens at once than `window`.
    """
    config, _ = load_config(base, Trust())
    most = max_content_tokens(config.to_dict())
    if window > most:
        raise InputError(
            f"--window is {window} tokens, and {base} reads at most {most}: give --window {most} or less"
        )
    return config


def check_checkpoint_folder(out: Path, inputs: Iterable[str | Path | None], *, resume: bool) -> None:
    """Refuse a folder for a checkpoint that holds something already, unless a stopped run is to go on there.

    Raises:
        ExportError: it is, holds or lies above an input, or it cannot be made or holds something else.
    """
    check_place(out, inputs)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise ExportError(f"{out} is a file: expected a folder to make")
    if resume and (out / STATE).is_file():
        return
    if (out / STATE).is_file():
        raise ExportError(
            f"{out} holds a run that was stopped: --resume goes on with it, or choose another folder"
        )
    raise ExportError(f"{out} exists already and is not empty: choose another folder")
