"""Checkpoint -> fp32 ONNX graph, through optimum; batch and length stay dynamic."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from pathlib import Path

from clinspan_export.checkpoint import Checkpoint
from clinspan_export.errors import ExportError


def write_fp32(checkpoint: Checkpoint, path: Path) -> None:
    """Write the model as ONNX with the inputs input_ids, attention_mask and, where it has them, token_type_ids.

    Raises:
        ExportError: optimum does not know the architecture.
    """
    from optimum.exporters.onnx import onnx_export_from_model
    from optimum.exporters.tasks import TasksManager

    kind = checkpoint.model.config.model_type
    supported = TasksManager.get_supported_model_type_for_task("token-classification", exporter="onnx")
    if kind not in supported:
        raise ExportError(f"{kind} models cannot be exported; supported are {', '.join(sorted(supported))}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as work, quiet():
        onnx_export_from_model(
            checkpoint.model, Path(work), task="token-classification", do_validation=False, preprocessors=None
        )
        Path(work, "model.onnx").replace(path)


class quiet:  # noqa: N801 - reads as a phrase where it is used
    """Keeps tracer warnings and the chatter of the export libraries off the screen."""

    _names = ("optimum", "transformers", "torch", "onnxruntime", "")

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        self._levels = {name: logging.getLogger(name).level for name in self._names}
        for name in self._names:
            logging.getLogger(name).setLevel(logging.ERROR)
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    def __exit__(self, *error: object) -> None:
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        self._warnings.__exit__(None, None, None)
