"""A model's file is opened once: what was checked is what runs, and no other model takes its place later."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.support import bundles, example_notes, onnx_models, processes, small_tokenizers

from clinspan import BundleError, InferenceError, LoadOptions, Recognizer
from clinspan.bundle.integrity import check_hash
from clinspan.bundle.manifest import MANIFEST

NOTE = "Metformin 500 mg for diabetes."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return bundles.bundle(tmp_path / "bundle")


def replace_model(folder: Path, seed: int = 1) -> None:
    """Put another model of the same size in its place, as a retraining would."""
    other = bundles.bundle(folder.parent / f"other{seed}", seed=seed)
    (other / bundles.MODEL).replace(folder / bundles.MODEL)


@pytest.mark.parametrize("verify", ["full", "size", "off"])
@pytest.mark.parametrize("manifest", [True, False], ids=["bundle", "foreign"])
def test_one_recognizer_answers_with_one_model(folder: Path, verify: str, manifest: bool) -> None:
    """A model that is replaced while the recognizer lives is not taken up by the session for lone notes."""
    if not manifest:
        (folder / MANIFEST).unlink()
    with Recognizer.load(folder, threads=2, options=LoadOptions(verify=verify)) as recognizer:
        before = recognizer.recognize(NOTE)
        replace_model(folder)
        for _ in range(4):
            assert recognizer.recognize(NOTE) == before
            processes.wait_for_the_wide_session()
        assert next(recognizer.pipe([NOTE])) == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux names an open file")
def test_a_rename_between_check_and_load_cannot_win(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that was hashed is the one that is loaded, though its name leads elsewhere by then."""
    with Recognizer.load(folder, threads=1) as recognizer:
        expected = recognizer.recognize(NOTE)
    check = check_hash

    def check_then_replace(path: Path, sha256: str, record: object) -> None:
        check(path, sha256, record)  # type: ignore[arg-type]
        replace_model(folder)

    monkeypatch.setattr("clinspan.bundle.model_file.check_hash", check_then_replace)
    with Recognizer.load(folder, threads=1) as recognizer:
        assert recognizer.recognize(NOTE) == expected
    monkeypatch.undo()
    with pytest.raises(BundleError, match="does not have the recorded sha256"):
        Recognizer.load(folder, threads=1)


def test_no_file_stays_open(folder: Path) -> None:
    """A descriptor serves the loading alone."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not list open files")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the names are not needed
    with Recognizer.load(folder, threads=1) as recognizer:
        recognizer.recognize(NOTE)
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_model_with_fewer_positions_than_it_claims_is_refused_on_load(folder: Path) -> None:
    """By a full window, not at the first long note."""
    vocabulary = small_tokenizers.wordpiece(example_notes.texts()).get_vocab_size()
    table = onnx_models.tensor("table", bundles.random_table(vocabulary))
    positions = onnx_models.tensor("positions", np.zeros((64, len(bundles.LABELS)), np.float32))
    constants = [onnx_models.tensor("one", np.array(1)), onnx_models.tensor("nought", np.array(0))]
    nodes = [
        bundles.lookup(logits="a"),
        onnx_models.node("Shape", ["input_ids"], ["shape"]),
        onnx_models.node("Gather", ["shape", "one"], ["n"]),
        onnx_models.node("Range", ["nought", "n", "one"], ["places"]),
        onnx_models.node("Gather", ["positions", "places"], ["p"]),
        onnx_models.node("Add", ["a", "p"], ["logits"]),
    ]
    bundles.save(folder, bundles.table_model(table, positions, *constants, nodes=nodes))
    with pytest.raises(BundleError, match=r"gives no answer: the model failed on a batch of 1 x 192 tokens"):
        Recognizer.load(folder, threads=1)


def test_a_failing_model_does_not_say_which_token_it_failed_on(folder: Path) -> None:
    """onnxruntime's own message names the index; no error of ours holds it, nor has it for a cause."""
    bundles.save(folder, bundles.table_model(bundles.table(3)))
    with Recognizer.load(folder, threads=1, options=LoadOptions(verify="off")) as recognizer:
        with pytest.raises(InferenceError) as caught:
            recognizer.recognize(NOTE)
        error: BaseException | None = caught.value
        while error is not None:
            assert "idx" not in str(error)
            error = error.__cause__ or error.__context__
