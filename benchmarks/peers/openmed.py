"""OpenMed's `OnnxModel` on clinspan's own int8 file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.peers import Found, Run


def load(*, bundle: str, checkpoint: str, threads: int, settings: Mapping[str, int] | None = None) -> Run:
    """Load it; `settings` are options of `predict_batch`, which has defaults for the others."""
    import onnxruntime
    from openmed.onnx.inference import OnnxModel

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = OnnxModel.from_pretrained(bundle, variant="int8", local_files_only=True, session_options=options)

    def run(texts: Sequence[str]) -> Found:
        found = model.predict_batch(list(texts), **(settings or {}))
        return [[(e.label, e.start, e.end) for e in entities] for entities in found]

    return run
