"""Keep the weights of a graph in a file beside it, which onnxruntime maps instead of copying them."""

from __future__ import annotations

import json
from pathlib import Path

from clinspan.bundle.integrity import DATA_SUFFIX, FileRecord, record_model
from clinspan_export.quiet import quiet

# Smaller tensors stay in the graph, where constants such as shapes must be.
_LEAST_BYTES = 1024


def write_weights_beside(folder: Path, path: str) -> FileRecord:
    """Move the weights of a graph into the file beside it, in place; returns the record of both.

    The values stay as they are, to the bit. A graph without large tensors stays as it is.

    Args:
        folder: of the bundle.
        path: of the graph, relative to it.
    """
    with quiet():
        import onnx

        graph = folder / path
        model = onnx.load(graph)
        if any(len(tensor.raw_data) >= _LEAST_BYTES for tensor in model.graph.initializer):
            beside = Path(path + DATA_SUFFIX).name
            (graph.parent / beside).unlink(missing_ok=True)
            onnx.save_model(
                model, graph, save_as_external_data=True, location=beside, size_threshold=_LEAST_BYTES
            )
            # onnx lets nobody but its owner read the file; a bundle is read by other users, in functions for one.
            (graph.parent / beside).chmod(graph.stat().st_mode)
            _tell_transformers_js(folder / "config.json", graph.name)
    return record_model(folder, path)


def _tell_transformers_js(config: Path, graph: str) -> None:
    """Say in config.json that a graph has weights beside it: transformers.js looks for none unless it is told."""
    if not config.is_file():
        return
    said = json.loads(config.read_text(encoding="utf-8"))
    own = said.setdefault("transformers.js_config", {})
    own["use_external_data_format"] = {**own.get("use_external_data_format", {}), graph: True}
    config.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
