"""Other int8 graphs of the same weights: what could be shipped in place of clinspan's."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

# Those that onnxruntime has optimized already, and must not optimize again when it loads them.
OPTIMIZED = ("optimized", "skip_layer_norm")


def folder(work: Path, name: str) -> Path:
    """Where a graph lies, a folder that `Recognizer.load` takes."""
    return work / f"graph-{name}"


def make_all(bundle: Path, work: Path) -> None:
    """Make those graphs that are not there yet, from the bundle's fp32 and int8 models."""
    makers: dict[str, Callable[[Path, Path], None]] = {
        "plain": _plain,
        "fused": _fused,
        "optimized": partial(_optimized, without=["SkipLayerNormFusion"]),
        "skip_layer_norm": partial(_optimized, without=[]),
    }
    for name, make in makers.items():
        target = folder(work, name)
        if target.is_dir():
            continue
        print(f"making {target.name}", file=sys.stderr)
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work) as making:
            copy = Path(making, "bundle")
            (copy / "onnx").mkdir(parents=True)
            for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
                shutil.copy(bundle / file, copy / file)
            make(bundle, copy / "onnx" / "model_int8.onnx")
            copy.rename(target)


def _plain(bundle: Path, target: Path) -> None:
    """onnxruntime's `quantize_dynamic` alone, per channel, on the exported graph, embeddings included."""
    _quantize(bundle / "onnx" / "model.onnx", target)


def _fused(bundle: Path, target: Path) -> None:
    """onnxruntime.transformers' BERT fusions, then `quantize_dynamic`."""
    from onnxruntime.transformers.optimizer import optimize_model

    config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    model = optimize_model(
        str(bundle / "onnx" / "model.onnx"),
        model_type="bert",
        num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"],
    )
    fused = target.with_name("fused.onnx")
    model.save_model_to_file(str(fused))
    _quantize(fused, target)
    fused.unlink()


def _optimized(bundle: Path, target: Path, *, without: list[str]) -> None:
    """clinspan's int8 model as onnxruntime has it once loaded: good for this version and kind of CPU alone."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    settings.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(
        str(bundle / "onnx" / "model_int8.onnx"),
        settings,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=without,
    )


def _quantize(source: Path, target: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
