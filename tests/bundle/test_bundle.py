"""The contract on disk, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clinspan import BundleError, InputError, Recognizer
from clinspan.bundle.hub_folder import max_content_tokens
from clinspan.bundle.manifest import MANIFEST, open_bundle

Copy = Callable[..., Path]


def edit(folder: Path, name: str = MANIFEST, **changes: Any) -> None:
    """Change fields of a JSON file, as by hand; None takes one away."""
    path = folder / name
    data = json.loads(path.read_text(encoding="utf-8"))
    data.pop("sha256", None)
    for key, value in changes.items():
        if value is None:
            del data[key]
        else:
            data[key] = value
    path.write_text(json.dumps(data), encoding="utf-8")


def test_a_manifest_survives_writing_and_reading(copy_starter: Copy) -> None:
    """A record that is read, written and read again is the same."""
    folder = copy_starter()
    bundle = open_bundle(folder)
    bundle.write_manifest()
    assert open_bundle(folder) == bundle


def test_a_copied_bundle_loads_and_says_the_same(
    copy_starter: Copy, starter: Recognizer, notes: list[str]
) -> None:
    """A bundle is its folder, wherever it lies."""
    assert Recognizer.load(copy_starter(), threads=1).recognize(notes[4]) == starter.recognize(notes[4])


def test_a_folder_without_manifest_loads(copy_starter: Copy, starter: Recognizer) -> None:
    """Any ONNX token classification repository: labels and scheme come from config.json."""
    folder = copy_starter()
    (folder / MANIFEST).unlink()
    recognizer = Recognizer.load(folder, threads=1)
    assert recognizer.report().labels == starter.report().labels
    assert recognizer.recognize("She has pneumonia.")[0].text == "pneumonia"


@pytest.mark.parametrize("place", ["model_quantized.onnx", "onnx/model_quantized.onnx"])
def test_models_are_found_where_others_keep_them(copy_starter: Copy, place: str) -> None:
    """The names of optimum and transformers.js."""
    folder = copy_starter()
    (folder / MANIFEST).unlink()
    (folder / "onnx" / "model_int8.onnx").rename(folder / place)
    assert open_bundle(folder).models["int8"].path == place


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("model_uint8", "int8"),
        ("model_q8", "int8"),
        ("model_qint8_avx512_vnni", "int8"),
        ("model_quint8_avx2", "int8"),
        ("model_qint8_arm64", "int8"),
        ("model_optimized", "fp32"),
        ("model_O2", "fp32"),
        ("model_O4", "fp16"),
    ],
)
def test_every_name_of_the_hub_for_a_precision_is_read(copy_starter: Copy, name: str, precision: str) -> None:
    """Those of optimum, transformers.js and sentence-transformers, in `onnx` or beside config.json."""
    folder = copy_starter()
    (folder / MANIFEST).unlink()
    (folder / "onnx" / "model_int8.onnx").rename(folder / f"{name}.onnx")
    assert open_bundle(folder).models[precision].path == f"{name}.onnx"


def test_models_under_other_names_are_listed(copy_starter: Copy) -> None:
    """4-bit weights and parts of a pipeline are not read, and the error names the files that are there."""
    folder = copy_starter()
    (folder / MANIFEST).unlink()
    (folder / "onnx" / "model_int8.onnx").rename(folder / "onnx" / "model_q4.onnx")
    (folder / "encoder.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match=r"encoder\.onnx, onnx/model_q4\.onnx: of a kind that is not read"):
        open_bundle(folder)


def test_label_numbers_may_begin_at_one(copy_starter: Copy) -> None:
    """With as many names as columns they can only mean the same order."""
    folder = copy_starter()
    (folder / MANIFEST).unlink()
    before = open_bundle(folder).labels
    names = {str(number): f"{name}\n" for number, name in enumerate(before.names, start=1)}
    edit(folder, "config.json", id2label=names)
    assert open_bundle(folder).labels == before


def test_a_folder_of_links_loads(copy_starter: Copy, tmp_path: Path) -> None:
    """The Hub's cache keeps each file elsewhere, behind a link."""
    folder = copy_starter()
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        path.rename(blobs / str(number))
        path.symlink_to(blobs / str(number))
    assert Recognizer.load(folder, threads=1).recognize("She has pneumonia.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": "2.0"}, "newer clinspan"),
        ({"schema_version": 1}, "schema_version"),
        ({"task": "text-classification"}, "problem is missing"),
        ({"labels": None}, "labels is missing"),
        ({"labels": ["O", 3]}, "strings"),
        ({"labels": ["O", "B-X"]}, "labels"),
        ({"scheme": "IOB9"}, "scheme"),
        ({"window": 0}, "window"),
        ({"window": 10_000}, "window"),
        ({"window": True}, "window"),
        ({"overlap": 190}, "overlap"),
        ({"aggregation": "median"}, "aggregation"),
        ({"models": {}}, "no model"),
        ({"models": {"int4": {"path": "x", "size": 1, "sha256": "0" * 64}}}, "int4"),
        ({"models": {"int8": 5}}, "int8"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_manifest_that_makes_no_sense_is_refused(
    copy_starter: Copy, changes: dict[str, Any], message: str
) -> None:
    """One clear line that names the field."""
    folder = copy_starter()
    edit(folder, **changes)
    with pytest.raises(BundleError, match=message):
        Recognizer.load(folder, threads=1)


def test_a_newer_minor_schema_is_read(copy_starter: Copy) -> None:
    """Only a new major version may break readers."""
    folder = copy_starter()
    edit(folder, schema_version="1.7")
    assert open_bundle(folder).window


@pytest.mark.parametrize(
    "path",
    ["../model.onnx", "/etc/passwd", "onnx/../../x", "C:\\x", "..\\x", ""],
    ids=["up", "absolute", "inside-up", "drive", "backslash", "empty"],
)
def test_a_path_that_leaves_the_folder_is_refused(copy_starter: Copy, path: str) -> None:
    """A bundle reads its own files and no others."""
    folder = copy_starter()
    edit(folder, models={"int8": {"path": path, "size": 1, "sha256": "0" * 64}})
    with pytest.raises(BundleError, match="outside its folder"):
        Recognizer.load(folder, threads=1)


@pytest.mark.parametrize("name", ["onnx/model_int8.onnx", "tokenizer.json"])
def test_a_damaged_file_is_refused(copy_starter: Copy, name: str) -> None:
    """By size where it was cut short, by hash where it was changed."""
    folder = copy_starter()
    data = bytearray((folder / name).read_bytes())
    (folder / name).unlink()
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match="sha256"):
        Recognizer.load(folder, threads=1)
    (folder / name).write_bytes(data[:-1])
    with pytest.raises(BundleError, match="bytes, expected"):
        Recognizer.load(folder, threads=1)
    (folder / name).unlink()
    with pytest.raises(BundleError, match="missing"):
        Recognizer.load(folder, threads=1)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "\udcff", "[" * 100_000], ids=["empty", "list", "cut", "bytes", "deep"]
)
def test_a_manifest_that_is_no_json_object_is_refused(copy_starter: Copy, content: str) -> None:
    """Never a traceback."""
    folder = copy_starter()
    (folder / MANIFEST).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BundleError, match="JSON"):
        open_bundle(folder)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """Missing, a file, or empty: one line each."""
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "gone", tmp_path / "file", tmp_path):
        with pytest.raises(BundleError, match="folder"):
            open_bundle(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"id2label": {"0": "O", "2": "B-X"}}, "numbered"),
        ({"id2label": None}, "id2label"),
        ({"max_position_embeddings": "many"}, "max_position_embeddings"),
    ],
    ids=["gap", "missing", "positions"],
)
def test_a_config_that_makes_no_sense_is_refused(
    copy_starter: Copy, config: dict[str, Any], message: str
) -> None:
    """Folders without a manifest are checked as strictly."""
    folder = copy_starter()
    (folder / MANIFEST).unlink()
    edit(folder, "config.json", **config)
    with pytest.raises(BundleError, match=message):
        open_bundle(folder)


def test_a_precision_that_the_bundle_lacks_is_refused() -> None:
    """The message says what there is."""
    with pytest.raises(InputError, match="int8"):
        Recognizer.load(precision="fp16")


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({}, 510),
        ({"model_type": "bert", "max_position_embeddings": 512}, 510),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 510),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 0}, 511),
    ],
)
def test_the_longest_window_is_that_of_the_positions(config: dict[str, Any], tokens: int) -> None:
    """RoBERTa's positions begin behind the padding id."""
    assert max_content_tokens(config) == tokens
