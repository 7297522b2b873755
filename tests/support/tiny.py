"""Bundles of a few kilobytes: an embedding table and a projection, written without any ONNX library.

Wire format: https://protobuf.dev/programming-guides/encoding/; fields: onnx.proto of ONNX 1.16.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import Bundle
from clinspan.text.labels import detect

LABELS = ("O", "B-DRUG", "I-DRUG", "B-PROBLEM", "I-PROBLEM")
_FLOAT, _INT64 = 1, 7


def bundle(folder: Path, tokenizer: Tokenizer, *, table: np.ndarray | None = None) -> Path:
    """Write a bundle whose logits for a token are a row of `table`, float32 (vocabulary, labels).

    Without a table they are random, with spans of every shape in any text. With too few rows the model fails, with
    another number of columns it breaks its own promise.
    """
    (folder / "onnx").mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"id2label": dict(enumerate(LABELS))}))
    if table is None:
        table = random_table(tokenizer.get_vocab_size())
    (folder / "onnx" / "model.onnx").write_bytes(model(table))
    Bundle(
        path=folder,
        name="tiny",
        labels=detect(LABELS),
        models={"fp32": record_file(folder, "onnx/model.onnx")},
        tokenizer=record_file(folder, "tokenizer.json"),
    ).write_manifest()
    return folder


def random_table(vocabulary: int) -> np.ndarray:
    """Logits that decide for every label about as often."""
    return (np.random.default_rng(7).normal(size=(vocabulary, len(LABELS))) * 3).astype(np.float32)


def model(table: np.ndarray) -> bytes:
    """An ONNX graph: logits = table[input_ids]."""
    tensor = b"".join(_number(1, size) for size in table.shape)
    tensor += _number(2, _FLOAT) + _bytes(8, b"table") + _bytes(9, table.astype("<f4").tobytes())
    node = _bytes(1, b"table") + _bytes(1, b"input_ids") + _bytes(2, b"logits") + _bytes(4, b"Gather")
    graph = _bytes(1, node) + _bytes(2, b"tiny") + _bytes(5, tensor)
    graph += _bytes(11, _value("input_ids", _INT64, ["b", "t"]))
    graph += _bytes(12, _value("logits", _FLOAT, ["b", "t", len(LABELS)]))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, 13))


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(
        _bytes(1, _number(1, size) if isinstance(size, int) else _bytes(2, size.encode())) for size in shape
    )
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, sizes)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
