"""A graph may keep its weights in a file beside it: recorded, checked, and answering as one file does."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import bundles
from tests.support.bundles import MODEL, TOKENIZER, external_table, table_model
from tests.support.example_notes import NOTE

from clinspan import LoadOptions, Recognizer
from clinspan.bundle.integrity import record_file, record_model
from clinspan.bundle.manifest import MANIFEST, Bundle, open_bundle
from clinspan.errors import BundleError
from clinspan.text.labels import detect

DATA = f"{MODEL}_data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle whose table lies beside its graph."""
    made = bundles.bundle(tmp_path / "b")
    rows = len(json.loads((made / TOKENIZER).read_text(encoding="utf-8"))["model"]["vocab"])
    (made / DATA).write_bytes(bundles.random_table(rows).astype("<f4").tobytes())
    (made / MODEL).write_bytes(table_model(external_table(Path(DATA).name, rows)))
    return _recorded(made)


def _recorded(made: Path) -> Path:
    Bundle(
        path=made,
        name="tiny",
        head=detect(bundles.LABELS),
        models={"fp32": record_model(made, MODEL)},
        tokenizer=record_file(made, TOKENIZER),
    ).write_manifest()
    return made


@pytest.mark.parametrize("verify", ["full", "size", "off"])
def test_mapped_weights_answer_as_those_in_one_file(folder: Path, tmp_path: Path, verify: str) -> None:
    """The same spans and scores, to the bit, whatever is checked before."""
    whole = Recognizer.load(bundles.bundle(tmp_path / "whole"), threads=1)
    mapped = Recognizer.load(folder, threads=1, options=LoadOptions(verify=verify))
    assert mapped.recognize(NOTE) == whole.recognize(NOTE) != []


def test_the_manifest_records_both_files(folder: Path) -> None:
    """It gives path, size and sha256 of each, and reads what it wrote."""
    record = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["models"]["fp32"]
    assert record["data"]["path"] == DATA
    assert record["data"]["size"] == (folder / DATA).stat().st_size
    assert open_bundle(folder).models["fp32"] == record_model(folder, MODEL)


def _changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_changed, "model.onnx_data does not have the recorded sha256"),
        (_cut, "model.onnx_data has .* bytes, expected"),
        (Path.unlink, "model.onnx_data.* is missing"),
    ],
    ids=["changed", "cut", "gone"],
)
def test_damaged_weights_are_refused(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    """By hash or size, before onnxruntime maps them."""
    damage(folder / DATA)
    with pytest.raises(BundleError, match=message):
        Recognizer.load(folder, threads=1)


def test_other_weights_are_not_those_that_were_pickled(folder: Path) -> None:
    """A recognizer that went to another process finds the same weights there, or says that it does not."""
    sent = pickle.dumps(Recognizer.load(folder, threads=1))
    _changed(folder / DATA)
    _recorded(folder)
    with pytest.raises(BundleError, match="holds another fp32 model"):
        pickle.loads(sent)


@pytest.mark.parametrize("place", ["onnx/other.bin", "model.onnx_data", "tokenizer.json"])
def test_weights_in_another_place_are_refused(folder: Path, place: str) -> None:
    """A manifest cannot send the reader of weights to another file."""
    models = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["models"]
    models["fp32"]["data"]["path"] = place
    bundles.edit(folder, MANIFEST, models=models)
    with pytest.raises(BundleError, match=r"expected .onnx/model\.onnx_data."):
        open_bundle(folder)


def test_a_tensor_in_a_third_file_is_refused(folder: Path) -> None:
    """Only the recorded file may hold tensors."""
    (folder / "onnx" / "third.bin").write_bytes((folder / DATA).read_bytes())
    (folder / MODEL).write_bytes(table_model(external_table("third.bin", 90)))
    _recorded(folder)
    with pytest.raises(BundleError, match=r"third\.bin.*of which the bundle records no hash"):
        Recognizer.load(folder, threads=1)


def test_weights_replaced_while_they_are_loaded_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename between the check and the mapping is seen afterwards."""
    from clinspan.engine import forks

    real = forks.between_forks

    def between(make: Callable[[], object]) -> object:
        other = folder / "onnx" / "new"
        other.write_bytes((folder / DATA).read_bytes())
        other.replace(folder / DATA)
        return real(make)

    monkeypatch.setattr(forks, "between_forks", between)
    with pytest.raises(BundleError, match="was replaced while it was loaded"):
        Recognizer.load(folder, threads=1)


def test_weights_that_are_cut_while_in_use_stop_the_run_and_not_the_process(folder: Path) -> None:
    """Reading beyond the end of a mapped file would end it; whoever puts the bytes back can go on."""
    recognizer, whole = Recognizer.load(folder, threads=1), (folder / DATA).read_bytes()
    found = recognizer.recognize(NOTE)
    os.truncate(folder / DATA, 0)
    with pytest.raises(BundleError, match=r"model\.onnx_data was replaced or cut short while it was in use"):
        recognizer.recognize(NOTE)
    (folder / DATA).write_bytes(whole)
    assert recognizer.recognize(NOTE) == found


@pytest.mark.parametrize("cores", [1, 2])
def test_weights_that_are_written_into_while_in_use_stop_the_run(folder: Path, cores: int) -> None:
    """A mapped file that changes would change the answers without a word."""
    recognizer = Recognizer.load(folder, threads=cores)
    with (folder / DATA).open("r+b") as stream:
        stream.write(b"\x01\x02")
    with pytest.raises(BundleError, match="does not have the recorded sha256"):
        recognizer.recognize(NOTE)


def test_weights_that_are_touched_or_replaced_while_in_use_change_nothing(folder: Path) -> None:
    """Equal bytes are equal weights, and a rename leaves the open file as it was."""
    recognizer = Recognizer.load(folder, threads=1)
    found = recognizer.recognize(NOTE)
    os.utime(folder / DATA, ns=(1, 1))
    assert recognizer.recognize(NOTE) == found
    (folder / "new").write_bytes(bytes((folder / DATA).stat().st_size))
    (folder / "new").replace(folder / DATA)
    assert recognizer.recognize(NOTE) == found


@pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="only Linux lists the files that a process has open"
)
def test_a_closed_recognizer_holds_no_file_of_weights(folder: Path) -> None:
    """The file that is held open to be looked at is closed with the session."""

    def held() -> int:
        return sum(os.path.realpath(number).endswith(DATA) for number in Path("/proc/self/fd").iterdir())

    recognizer = Recognizer.load(folder, threads=1)
    assert held() == 1
    recognizer.close()
    assert held() == 0


@pytest.mark.parametrize("damage", [_changed, _cut], ids=["changed", "cut"])
def test_damaged_weights_are_refused_where_they_are_hashed_beside(
    folder: Path, damage: Callable[[Path], object]
) -> None:
    """With cores to spare the hash is worked out while onnxruntime loads, and decides before anything runs."""
    damage(folder / DATA)
    with pytest.raises(BundleError, match=r"model\.onnx_data"):
        Recognizer.load(folder, threads=2)


def test_a_tokenizer_that_cannot_be_read_is_named_where_it_is_read_beside(folder: Path) -> None:
    """It is read while onnxruntime loads the model, and its own error comes out."""
    (folder / TOKENIZER).write_bytes(b"{}")
    _recorded(folder)
    with pytest.raises(BundleError, match="not a tokenizer that this version"):
        Recognizer.load(folder, threads=2)


def test_a_package_takes_the_weights_along(folder: Path, tmp_path: Path) -> None:
    """A bundle in a package has both files, and loads from there."""
    from clinspan.package.parts.assemble import Stage, add_model

    packed = add_model(Stage(tmp_path / "stage"), open_bundle(folder), "fp32")
    assert packed.models == open_bundle(folder).models
    there = Recognizer.load(packed.path, threads=1)
    assert there.recognize(NOTE) == Recognizer.load(folder, threads=1).recognize(NOTE)
