"""Where a bundle comes from, and the versions that made it."""

from __future__ import annotations

import importlib.metadata as metadata
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clinspan_export.checkpoint import Checkpoint

_PACKAGES = (
    "clinspan",
    "torch",
    "transformers",
    "optimum-onnx",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "numpy",
)


def provenance(loaded: Checkpoint, config: Mapping[str, Any]) -> dict[str, Any]:
    """Record for the manifest; `exported_at` is the only field that two equal exports do not share."""
    record = {
        "base": loaded.source if not Path(loaded.source).exists() else Path(loaded.source).resolve().name,
        "revision": loaded.revision,
        "weights_sha256": loaded.sha256,
        "architecture": type(loaded.model).__name__,
        "model_type": config.get("model_type", ""),
        "unused": list(loaded.unused),
        "parameters": sum(p.numel() for p in loaded.model.parameters()),
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in _PACKAGES},
        "quantization": "int8: dynamic activations, weights per column, embeddings per row, outliers moved",
    }
    return {**record, "pruned": dict(loaded.pruned)} if loaded.pruned else record
