"""OpenVINO on clinspan's own windows: it has no pipeline of its own, so it gets ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import Run
from benchmarks.peers.our_windows import in_our_windows


def load(*, bundle: str, checkpoint: str, threads: int, precision: str) -> Run:
    """Compile the int8 file, or the fp32 one for `bf16`."""
    import numpy as np
    import openvino

    from clinspan.bundle.manifest import open_bundle
    from clinspan.text.tokenizer import Tokenizer

    opened = open_bundle(bundle)
    tokenizer = Tokenizer(Path(bundle, "tokenizer.json"))
    file = opened.models["int8" if precision == "int8" else "fp32"].path
    hint = {"INFERENCE_PRECISION_HINT": "bf16"} if precision == "bf16" else {}
    compiled = openvino.Core().compile_model(
        str(Path(bundle, file)), "CPU", {"INFERENCE_NUM_THREADS": threads, **hint}
    )

    def logits(content: Any) -> Any:
        ids = tokenizer.frame(content)[None]
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        found = compiled({name.any_name: feed[name.any_name] for name in compiled.inputs})["logits"]
        return found[0, len(tokenizer.prefix) : ids.shape[1] - len(tokenizer.suffix)]

    def run(contents: Sequence[Any]) -> list[Any]:
        return [logits(content) for content in contents]

    return in_our_windows(opened, run)
