"""Bundles and folders that are odd: what is in them is overridden, refused or right to take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support import bundles
from tests.support.bundles import TOKENIZER, external_table, table_model
from tests.support.damage import LOADER, foreign, tokenizer, with_weights
from tests.support.example_notes import NOTE

from clinspan import BundleError, Recognizer


@pytest.mark.parametrize("setting", ["truncation", "padding"])
def test_truncation_and_padding_in_a_tokenizer_are_overridden(tmp_path: Path, setting: str) -> None:
    """A note is read to its end whatever tokenizer.json says: never a silent truncation."""
    folder = bundles.bundle(tmp_path / "b")
    whole = Recognizer.load(folder, threads=1).recognize(NOTE)
    stored = {
        "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 64},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
    }[setting]
    tokenizer(lambda data: data.update({setting: stored}))(folder)
    assert Recognizer.load(folder, threads=1).recognize(NOTE) == whole
    assert len(whole) > 2


def test_a_tokenizer_that_panics_is_refused(tmp_path: Path) -> None:
    """A panic in Rust is not an Exception, and would pass every `except Exception`; what it prints is its own."""
    folder = bundles.bundle(tmp_path / "b")
    tokenizer(
        lambda data: data.update(
            pre_tokenizer={"type": "Whitespace"},
            normalizer={
                "type": "Sequence",
                "normalizers": [
                    {"type": "Replace", "pattern": {"String": ""}, "content": "\U0001f600"},
                    {"type": "NFKD"},
                ],
            },
        )
    )(folder)
    done = subprocess.run(
        [sys.executable, "-c", LOADER], input=f"{folder}\n", capture_output=True, text=True, check=True
    )
    if "panicked" not in done.stderr:
        pytest.skip("this version of tokenizers no longer panics here")
    kind, message = json.loads(done.stdout)
    assert kind == "BundleError"
    assert "cannot tokenize some text" in message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"id2label": {"0": "O", "1": {"a": 1}}}, "something else than names"),
        ({"id2label": {"0": "O", "1": "B-\x1b[2J"}}, "printable"),
        ({"id2label": {"0": "O", "2": "B-X"}}, "numbered 0, 2: expected 0 to 1"),
        ({"id2label": {str(i): f"B-{i}" if i else "O" for i in range(10_001)}}, "10001 labels"),
        ({"max_position_embeddings": 10**9}, "at most 1000000"),
        ({"model_type": ["bert"]}, "model_type"),
        ({"x": float("nan")}, "NaN"),
    ],
    ids=["nested", "escape", "gap", "many", "positions", "type", "nan"],
)
def test_a_hostile_config_is_refused(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    """Folders without a manifest are read as strictly."""
    folder = foreign(bundles.bundle(tmp_path / "b"), **config)
    with pytest.raises(BundleError, match=message):
        Recognizer.load(folder, threads=1)


@pytest.mark.parametrize("location", ["../../outside.bin", "/etc/passwd", "gone.bin", "*/_ORT_MEM_ADDR_/*"])
def test_weights_outside_a_folder_without_manifest_are_refused(tmp_path: Path, location: str) -> None:
    """Large models keep weights in a file beside them, and only there."""
    folder = bundles.bundle(tmp_path / "b")
    with_weights(table_model(external_table(location)))(folder)
    with pytest.raises(BundleError, match="not a file beside it"):
        Recognizer.load(foreign(folder), threads=1)


def test_weights_beside_a_model_without_manifest_are_read(tmp_path: Path) -> None:
    """As the Hub's repositories of large models have them."""
    folder = bundles.bundle(tmp_path / "b")
    vocabulary = len(json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))["model"]["vocab"])
    weights = bundles.random_table(vocabulary).astype("<f4").tobytes()
    (folder / "onnx" / "model.onnx_data").write_bytes(weights)
    expected = Recognizer.load(folder, threads=1).recognize(NOTE)
    bundles.save(folder, table_model(external_table("model.onnx_data", vocabulary)))
    assert Recognizer.load(foreign(folder), threads=1).recognize(NOTE) == expected


def test_special_tokens_without_a_row_are_no_reason_to_refuse(tmp_path: Path) -> None:
    """A mask token behind the table's end is never found in a note: models in the wild have one."""
    folder = bundles.bundle(tmp_path / "b")
    expected = Recognizer.load(folder, threads=1).recognize(NOTE)
    extra = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    size = len(json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))["model"]["vocab"])
    tokenizer(lambda data: data["added_tokens"].append({"id": size, "content": "<mask>", **extra}))(folder)
    assert Recognizer.load(folder, threads=1).recognize(NOTE) == expected
    assert Recognizer.load(folder, threads=1).recognize(NOTE + " <mask>")[: len(expected) - 1]
