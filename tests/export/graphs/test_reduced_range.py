"""--reduced-range: int8 weights keep to 7 bits, so that two products with 255 fit into 16 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import onnx
from onnx import numpy_helper

from clinspan import Recognizer
from clinspan.bundle.manifest import open_bundle
from clinspan_export.cli.main import main

pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def largest(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, int]:
    """Largest int8 weight of a product, by whether the range was reduced."""
    found = {}
    for reduced in (False, True):
        out = tmp_path_factory.mktemp("range") / "out"
        options = ["--precision=int8", *(["--reduced-range"] if reduced else [])]
        assert main([str(tiny_checkpoint), str(out), *options]) == 0
        assert open_bundle(out).reduced_range == reduced
        assert ("weights of 7 bits" in (out / "README.md").read_text(encoding="utf-8")) == reduced
        assert Recognizer.load(out).recognize("aspirin 81 mg for chest pain") is not None
        found[reduced] = _largest(out / "onnx" / "model_int8.onnx")
    return found


def _largest(path: Path) -> int:
    graph = onnx.load(path).graph
    used = {node.input[1] for node in graph.node if node.op_type == "MatMulInteger"}
    weights = [numpy_helper.to_array(one) for one in graph.initializer if one.name in used]
    assert weights
    return max(int(np.abs(one.astype(np.int32)).max()) for one in weights)


def test_two_products_fit_into_16_bits(largest: dict[bool, int]) -> None:
    """With the reduced range alone; the default uses all of the 8 bits."""
    assert 2 * 255 * largest[True] < 2**15 <= 2 * 255 * largest[False]


def test_a_bundle_without_int8_has_no_range(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The option would do nothing, and is refused."""
    given = [str(tiny_checkpoint), str(tmp_path / "out"), "--precision=fp32", "--reduced-range"]
    assert main(given) == 1
    assert not (tmp_path / "out").exists()
