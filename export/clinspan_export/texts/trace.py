"""Write a model for whole texts as an fp32 ONNX graph; batch and length stay dynamic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clinspan.bundle.tasks import ANSWERS, task_of
from clinspan_export.errors import ExportError, first_line
from clinspan_export.graphs.unscripted import unscripted
from clinspan_export.quiet import quiet
from clinspan_export.texts.text_checkpoint import TextCheckpoint

_OPSET = 18
# Two rows, one of them padded, so that nothing of the example's shape is taken for a constant.
_EXAMPLE = (2, 9)


def write_text_graph(checkpoint: TextCheckpoint, path: Path) -> None:
    """Write the graph with the inputs input_ids, attention_mask and, where the model has them, token_type_ids.

    Raises:
        ExportError: PyTorch could not trace the model.
    """
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if checkpoint.typed else [])]
    output = ANSWERS[task_of(checkpoint.head)].output
    axes = {name: {0: "batch", 1: "tokens"} for name in names}
    with quiet(), unscripted(checkpoint.module):
        try:
            torch.onnx.export(
                checkpoint.module,
                _example(checkpoint),
                str(path),
                input_names=names,
                output_names=[output],
                dynamic_axes={**axes, output: {0: "batch"}},
                opset_version=_OPSET,
                do_constant_folding=True,
                dynamo=False,
            )
        except OSError:
            raise
        except Exception as error:
            kind = checkpoint.loaded.model.config.model_type
            raise ExportError(
                f"PyTorch could not trace this {kind} model ({type(error).__name__}: {first_line(error)})"
            ) from error


def _example(checkpoint: TextCheckpoint) -> tuple[Any, ...]:
    import torch

    rows, length = _EXAMPLE
    ids = torch.full((rows, length), int(checkpoint.loaded.tokenizer.pad_token_id or 0), dtype=torch.int64)
    ids[0], ids[1, :5] = 5, 6
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    return (ids, mask, torch.zeros_like(ids)) if checkpoint.typed else (ids, mask)
