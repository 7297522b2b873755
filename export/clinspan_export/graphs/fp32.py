"""Write a checkpoint as an fp32 ONNX graph, through optimum; batch and length stay dynamic."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from clinspan_export.checkpoint import Checkpoint
from clinspan_export.errors import ExportError, first_line
from clinspan_export.quiet import quiet

# Architectures that the tests export; what optimum knows beyond them is tried and held to the same checks.
SUPPORTED = (
    "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "megatron-bert", "modernbert",
    "mpnet", "roberta", "xlm-roberta",
)  # fmt: skip
INPUTS = {"input_ids", "attention_mask", "token_type_ids"}

# protobuf holds no message of 2 GiB, and onnxruntime keeps no second file in reach of every reader.
_MAX_PARAMETERS = (2**31 - 2**24) // 4


def check_supported(config: Any) -> None:
    """Refuse at once a model that could only be exported in part, by its configuration.

    Raises:
        ExportError: optimum does not know the architecture, or it takes more than text.
    """
    with quiet():
        from optimum.exporters.onnx import model_configs  # noqa: F401 - registers the architectures
        from optimum.exporters.tasks import TasksManager

    kind = config.model_type
    known = TasksManager.get_supported_model_type_for_task("token-classification", exporter="onnx")
    if kind not in known:
        raise ExportError(
            f"{kind} models cannot be exported, optimum has no ONNX configuration for them: "
            f"supported are {', '.join(SUPPORTED)}"
        )
    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", model_type=kind, task="token-classification", library_name="transformers"
    )
    extra = sorted(set(constructor(config).inputs) - INPUTS)
    if extra:
        raise ExportError(
            f"{kind} models need {', '.join(extra)} besides text, which notes do not have: "
            f"supported are {', '.join(SUPPORTED)}"
        )


def check_size(model: Any) -> None:
    """Refuse a model that one file cannot hold.

    Raises:
        ExportError: it is too large.
    """
    parameters = sum(p.numel() for p in model.parameters())
    if parameters > _MAX_PARAMETERS:
        raise ExportError(
            f"the model has {parameters / 1e6:,.0f} million parameters: one ONNX file holds at most "
            f"{_MAX_PARAMETERS / 1e6:,.0f} million in fp32"
        )


def write_fp32(checkpoint: Checkpoint, path: Path) -> None:
    """Write the model as ONNX with the inputs input_ids, attention_mask and, where it has them, token_type_ids.

    Raises:
        ExportError: the architecture is not supported, or tracing failed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as work, quiet():
        from optimum.exporters.onnx import onnx_export_from_model

        try:
            onnx_export_from_model(
                checkpoint.model,
                Path(work),
                task="token-classification",
                do_validation=False,
                preprocessors=None,
            )
        except OSError:
            raise
        except Exception as error:
            kind = checkpoint.model.config.model_type
            raise ExportError(
                f"optimum could not trace this {kind} model ({type(error).__name__}: {first_line(error)})"
            ) from error
        Path(work, "model.onnx").replace(path)
