"""ONNX repositories that others made, without a manifest of ours, load in the runtime and give the same spans."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

from clinspan import BundleError, Recognizer
from clinspan_export import export

pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of ours with all three precisions."""
    folder = tmp_path_factory.mktemp("own")
    source = tiny_checkpoints.save(folder / "checkpoint", "roberta")
    return export(str(source), folder / "bundle", precisions=("fp32", "int8", "fp16")).path


def _common(own: Path, folder: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(own / name, folder / name)


def _in_one_file(source: Path, target: Path) -> None:
    """Copy a graph with its weights inside, as the others write it."""
    import onnx

    onnx.save(onnx.load(source), target)


def _optimum(own: Path, folder: Path) -> None:
    """`optimum-cli export onnx`: model.onnx beside its configuration."""
    _common(own, folder)
    _in_one_file(own / "onnx/model.onnx", folder / "model.onnx")


def _optimum_quantized(own: Path, folder: Path) -> None:
    """`optimum-cli onnxruntime quantize`: model_quantized.onnx and its own settings."""
    _common(own, folder)
    _in_one_file(own / "onnx/model_int8.onnx", folder / "model_quantized.onnx")
    (folder / "ort_config.json").write_text("{}", encoding="utf-8")


def _transformers_js(own: Path, folder: Path) -> None:
    """transformers.js: everything in onnx/, quantized under its own name, sizes that CPUs cannot use beside it."""
    _common(own, folder)
    (folder / "onnx").mkdir()
    _in_one_file(own / "onnx/model.onnx", folder / "onnx/model.onnx")
    _in_one_file(own / "onnx/model_int8.onnx", folder / "onnx/model_quantized.onnx")
    _in_one_file(own / "onnx/model_fp16.onnx", folder / "onnx/model_fp16.onnx")
    (folder / "onnx/model_q4.onnx").write_bytes(b"")


def _openmed(own: Path, folder: Path) -> None:
    """OpenMed: all precisions beside the configuration, and labels in a file of their own."""
    _common(own, folder)
    for name in ("model.onnx", "model_int8.onnx", "model_fp16.onnx"):
        _in_one_file(own / "onnx" / name, folder / name)
    (folder / "id2label.json").write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    ("layout", "precisions"),
    [
        (_optimum, {"fp32"}),
        (_optimum_quantized, {"int8"}),
        (_transformers_js, {"fp32", "int8", "fp16"}),
        (_openmed, {"fp32", "int8", "fp16"}),
    ],
    ids=["optimum", "optimum-quantized", "transformers.js", "openmed"],
)
def test_layout_of_others_gives_the_same_spans(
    own: Path, tmp_path: Path, layout: Callable[[Path, Path], None], precisions: set[str]
) -> None:
    """Labels, windows and files are found without a manifest; spans are those of the bundle."""
    layout(own, tmp_path)
    for precision in ("fp32", "int8", "fp16"):
        if precision not in precisions:
            with pytest.raises(ValueError, match="is not in the bundle"):
                Recognizer.load(tmp_path, precision=precision)
            continue
        theirs = Recognizer.load(tmp_path, precision=precision).recognize(tiny_checkpoints.NOTE)
        assert theirs == Recognizer.load(own, precision=precision).recognize(tiny_checkpoints.NOTE)
        assert theirs


def test_folder_without_any_model_says_what_was_expected(own: Path, tmp_path: Path) -> None:
    """A PyTorch checkpoint is not an ONNX folder."""
    _common(own, tmp_path)
    with pytest.raises(BundleError, match="has no model"):
        Recognizer.load(tmp_path)
