"""The token classification pipeline of transformers, on torch and, through optimum, on onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.peers import Found, Run


def transformers(
    *,
    checkpoint: str,
    threads: int,
    bundle: str = "",
    kind: str = "fp32",
    stride: int = 32,
    batch: int = 1,
    length: int = 0,
    device: str = "cpu",
) -> Run:
    """Load the pipeline on torch.

    Args:
        checkpoint: folder of the model.
        threads: cores to use; 0 for torch's default.
        bundle: not used.
        kind: `fp32`, `bf16`, `fp16` or `int8`, the last by torch's dynamic quantization.
        stride: tokens that neighbouring windows share.
        batch: windows that run at once.
        length: tokens of a window, special ones included; 0 for the model's most.
        device: of torch.
    """
    import torch
    from transformers import AutoModelForTokenClassification

    if threads:
        torch.set_num_threads(threads)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(kind, torch.float32)
    model = AutoModelForTokenClassification.from_pretrained(checkpoint, dtype=dtype).eval()
    if kind == "int8":
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    settings = {"stride": stride, "batch_size": batch, "device": device}
    return _pipeline(model, checkpoint, length, settings)


def optimum(*, bundle: str, threads: int, file: str, stride: int, checkpoint: str = "") -> Run:
    """Load the pipeline on onnxruntime; `file` is a model of the bundle."""
    import onnxruntime
    from optimum.onnxruntime import ORTModelForTokenClassification

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = ORTModelForTokenClassification.from_pretrained(
        bundle, subfolder="onnx", file_name=file, session_options=options
    )
    return _pipeline(model, bundle, 0, {"stride": stride, "batch_size": 1})


def _pipeline(model: Any, folder: str, length: int, settings: dict[str, Any]) -> Run:
    from transformers import AutoTokenizer, pipeline

    length = length or int(model.config.max_position_embeddings)
    ner = pipeline(
        "token-classification",
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(folder, model_max_length=length),
        aggregation_strategy="first",
        **settings,
    )

    def run(texts: Sequence[str]) -> Found:
        return [[(e["entity_group"], e["start"], e["end"]) for e in found] for found in ner(list(texts))]

    return run
