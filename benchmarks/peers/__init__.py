"""clinspan and what people would use instead, each behind one call: texts in, (label, start, end) out.

Every peer is set up as its own documentation says, once at its defaults for long notes and once at its best
documented settings on CPU; all get the same number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

Found = list[list[tuple[str, int, int]]]
Run = Callable[[Sequence[str]], Found]

OURS = "clinspan_int8"
# The least that any program on onnxruntime needs to start; measured for cold starts only.
FLOOR = "bare_onnxruntime_int8"
# Variant -> module and function that load it, and how.
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    OURS: ("ours", "clinspan", {"precision": "int8"}),
    "clinspan_fp32": ("ours", "clinspan", {"precision": "fp32"}),
    "transformers_fp32": ("pipelines", "transformers", {"kind": "fp32", "stride": 128}),
    "transformers_fp32_best": ("pipelines", "transformers", {"kind": "fp32", "batch": 4}),
    "transformers_bf16": ("pipelines", "transformers", {"kind": "bf16", "stride": 128}),
    "transformers_bf16_best": ("pipelines", "transformers", {"kind": "bf16", "batch": 4}),
    "transformers_int8": ("pipelines", "transformers", {"kind": "int8", "stride": 128}),
    "optimum_fp32": ("pipelines", "optimum", {"file": "model.onnx", "stride": 128}),
    "optimum_int8": ("pipelines", "optimum", {"file": "model_int8.onnx", "stride": 128}),
    "optimum_int8_best": ("pipelines", "optimum", {"file": "model_int8.onnx", "stride": 32}),
    "openmed_int8": ("openmed", "load", {}),
    "openmed_int8_best": (
        "openmed",
        "load",
        {"settings": {"max_length": 192, "stride": 16, "batch_size": 1}},
    ),
    "openvino_int8": ("openvino", "load", {"precision": "int8"}),
    "openvino_bf16": ("openvino", "load", {"precision": "bf16"}),
    "spacy_fp32": ("spacy", "load", {}),
    FLOOR: ("ours", "bare_onnxruntime", {}),
}
PEERS = tuple(name for name in VARIANTS if name != FLOOR)
# Each library at its best: what is asked a second time, on another number of cores.
CORE = (
    *(OURS, "transformers_fp32", "transformers_bf16"),
    *("optimum_int8_best", "openmed_int8_best", "openvino_bf16"),
)
# These keep what they load beside the checkpoint, made when first asked for, which must not be measured.
MADE_FIRST = ("spacy",)


def load(variant: str, *, bundle: str, checkpoint: str, threads: int) -> Run:
    """Load one variant.

    Args:
        variant: a name of `VARIANTS`.
        bundle: folder with the ONNX models.
        checkpoint: folder with the PyTorch model that they come from.
        threads: cores to use.
    """
    module, function, options = VARIANTS[variant]
    make = getattr(import_module(f"benchmarks.peers.{module}"), function)
    run: Run = make(bundle=bundle, checkpoint=checkpoint, threads=threads, **options)
    return run
