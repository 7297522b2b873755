"""clinspan itself, as an application uses it; its parts, for what no option reaches; and bare onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.peers import Found, Run
    from clinspan.bundle.loading import Loaded


def clinspan(
    *,
    bundle: str,
    threads: int,
    checkpoint: str = "",
    precision: str = "int8",
    device: str = "cpu",
    load: Mapping[str, Any] | None = None,
) -> Run:
    """Load a recognizer; `load` is further options of `LoadOptions`, `threads` 0 for its default."""
    from clinspan import LoadOptions, Recognizer

    options = LoadOptions(precision=precision, threads=threads or None, device=device, **(load or {}))
    recognizer = Recognizer.load(bundle, options=options)

    def run(texts: Sequence[str]) -> Found:
        results = [recognizer.recognize(texts[0])] if len(texts) == 1 else recognizer.pipe(texts)
        return [[(s.label, s.start, s.end) for s in spans] for spans in results]

    return run


def loaded(bundle: str | Path, *, reuse: int = 0, session_options: Mapping[str, Any] | None = None) -> Loaded:
    """Load the parts of an int8 recognizer, on one core: its model, its tokenizer, its windows."""
    from clinspan import LoadOptions
    from clinspan.bundle.loading import Origin, load

    options = LoadOptions(precision="int8", threads=1, reuse=reuse, session_options=session_options)
    return load(Origin(Path(bundle), options))


def bare_onnxruntime(*, bundle: str, checkpoint: str, threads: int) -> Run:
    """Use no library at all: the three imports, a session and a run of made-up ids; finds nothing, answers at once."""
    import numpy as np
    import onnxruntime
    import tokenizers  # noqa: F401 - part of what is measured

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        Path(bundle, "onnx", "model_int8.onnx"), settings, providers=["CPUExecutionProvider"]
    )
    names = [node.name for node in session.get_inputs()]

    def run(texts: Sequence[str]) -> Found:
        for _ in texts:
            session.run(None, {name: np.ones((1, 48), dtype=np.int64) for name in names})
        return [[] for _ in texts]

    return run
