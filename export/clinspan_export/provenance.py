"""Where a bundle comes from, and the versions that made it."""

from __future__ import annotations

import importlib.metadata as metadata
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clinspan_export.checkpoint import Checkpoint
from clinspan_export.graphs.by_optimum import PACKAGE as OPTIMUM
from clinspan_export.verify.card import source_card

_PACKAGES = (
    "clinspan",
    "torch",
    "transformers",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "numpy",
)


def provenance(loaded: Checkpoint, config: Mapping[str, Any], exporter: str = "torch") -> dict[str, Any]:
    """Record for the manifest; two equal exports share all of it but `exported_at` and what is timed.

    Args:
        loaded: what was exported.
        config: content of its config.json.
        exporter: what wrote the fp32 graph, `torch` or `optimum`.
    """
    packages = [*_PACKAGES, *([OPTIMUM] if exporter == "optimum" else [])]
    record = {
        "base": loaded.source if not Path(loaded.source).exists() else Path(loaded.source).resolve().name,
        "revision": loaded.revision,
        "weights_sha256": loaded.sha256,
        "architecture": type(loaded.model).__name__,
        "model_type": config.get("model_type", ""),
        "unused": list(loaded.unused),
        "parameters": sum(p.numel() for p in loaded.model.parameters()),
        "exporter": exporter,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
        "quantization": "int8: dynamic activations, weights per column, embeddings per row, outliers moved",
    }
    stated = source_card(loaded.source)
    if stated:
        record["card"] = stated
    return {**record, "pruned": dict(loaded.pruned)} if loaded.pruned else record
