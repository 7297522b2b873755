"""Write a checkpoint as an fp32 ONNX graph, by our own trace or by optimum; batch and length stay dynamic."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from clinspan_export.checkpoint import Checkpoint, model_class
from clinspan_export.errors import ExportError
from clinspan_export.graphs import by_optimum

EXPORTERS = ("torch", "optimum")
# Architectures that the tests export; others are tried and held to the same checks.
SUPPORTED = (
    "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "eurobert", "gte", "megatron-bert",
    "modernbert", "mpnet", "nomic_bert", "roberta", "xlm-roberta",
)  # fmt: skip
INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
# What models of pages and of markup read besides text.
_NOT_TEXT = {"bbox", "image", "pixel_values", "xpath_tags_seq"}

# protobuf holds no message of 2 GiB, and onnxruntime keeps no second file in reach of every reader.
_MAX_PARAMETERS = (2**31 - 2**24) // 4


def check_exporter(exporter: str) -> None:
    """Refuse an exporter that there is not, or that is not installed.

    Raises:
        ExportError: it is neither `torch` nor `optimum`.
        MissingDependencyError: optimum is not installed.
    """
    if exporter not in EXPORTERS:
        raise ExportError(f"the exporter is {exporter!r}: expected one of {', '.join(EXPORTERS)}")
    if exporter == "optimum":
        by_optimum.check_installed()


def check_supported(config: Any, exporter: str = "torch") -> None:
    """Refuse at once a model that could only be exported in part, by its configuration.

    Raises:
        ExportError: it takes more than text, or optimum does not know the architecture.
    """
    kind = model_class(config)
    taken = {} if kind is None else inspect.signature(kind.forward).parameters  # type: ignore[attr-defined]
    extra = sorted(_NOT_TEXT.intersection(taken))
    if extra:
        raise ExportError(
            f"{config.model_type} models need {', '.join(extra)} besides text, which notes do not have: "
            f"supported are {', '.join(SUPPORTED)}"
        )
    if exporter == "optimum":
        by_optimum.check_supported(config, INPUTS)


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


def write_fp32(checkpoint: Checkpoint, path: Path, exporter: str = "torch") -> None:
    """Write the model as ONNX with the inputs input_ids, attention_mask and, where it has them, token_type_ids.

    Raises:
        ExportError: the architecture is not supported, or tracing failed.
    """
    if exporter == "optimum":
        by_optimum.write(checkpoint.model, path)
        return
    from clinspan_export.graphs.trace import Logits, trace

    model = checkpoint.model
    trace(
        Logits(model).eval(),
        path,
        "logits",
        typed=_takes_types(model),
        per_token=True,
        padding=checkpoint.tokenizer.pad_token_id,
    )


def _takes_types(model: Any) -> bool:
    """Whether type ids make a difference to a model; a table of one row is added whatever they are."""
    rows = getattr(model.config, "type_vocab_size", 0) or 0
    return rows > 1 and "token_type_ids" in inspect.signature(model.forward).parameters
