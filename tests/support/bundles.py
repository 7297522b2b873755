"""Bundles of a few kilobytes, whole or broken: the model is a table with a row of logits for every token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import MANIFEST, Bundle
from clinspan.text.labels import detect
from tests.support import example_notes, onnx_models, small_tokenizers

LABELS = ("O", "B-DRUG", "I-DRUG", "B-PROBLEM", "I-PROBLEM")
MODEL = "onnx/model.onnx"
TOKENIZER = "tokenizer.json"


def bundle(
    folder: Path, tokenizer: Tokenizer | None = None, *, table: np.ndarray | None = None, seed: int = 7
) -> Path:
    """Write a bundle whose logits for a token are a row of `table`.

    Args:
        folder: it is made.
        tokenizer: WordPiece trained on our example notes by default.
        table: float32 (vocabulary, labels). With too few rows the model fails, with another number of columns it
            breaks its own promise. By default random, with spans of every shape in any text.
        seed: of the random table.

    Returns:
        The folder.
    """
    tokenizer = tokenizer or _wordpiece()
    if table is None:
        table = random_table(tokenizer.get_vocab_size(), seed=seed)
    (folder / "onnx").mkdir(parents=True)
    tokenizer.save(str(folder / TOKENIZER))
    (folder / "config.json").write_text(json.dumps({"id2label": dict(enumerate(LABELS))}), encoding="utf-8")
    return save(folder, table_model(onnx_models.tensor("table", table)))


@cache
def _wordpiece() -> Tokenizer:
    return small_tokenizers.wordpiece(example_notes.texts())


def random_table(rows: int, columns: int = len(LABELS), *, seed: int = 7) -> np.ndarray:
    """Logits that decide for every label about as often, float32 (rows, columns)."""
    return (np.random.default_rng(seed).normal(size=(rows, columns)) * 3).astype(np.float32)


def save(folder: Path, model: bytes) -> Path:
    """Put a model in its place, and write a manifest that fits the files."""
    (folder / MODEL).write_bytes(model)
    return record(folder)


def record(folder: Path) -> Path:
    """Write the manifest of the files that are there."""
    Bundle(
        path=folder,
        name="tiny",
        head=detect(LABELS),
        models={"fp32": record_file(folder, MODEL)},
        tokenizer=record_file(folder, TOKENIZER),
    ).write_manifest()
    return folder


def edit(folder: Path, name: str, /, **changes: Any) -> Path:
    """Change fields of a JSON file as by hand; a manifest then has no hash of its own."""
    data = json.loads((folder / name).read_text(encoding="utf-8"))
    if name == MANIFEST:
        data.pop("sha256", None)
    (folder / name).write_text(json.dumps({**data, **changes}), encoding="utf-8")
    return folder


def table_model(
    *tensors: bytes,
    nodes: Sequence[bytes] | None = None,
    inputs: Sequence[bytes] | None = None,
    output: bytes | None = None,
    domains: Sequence[str] = (),
) -> bytes:
    """Write a model; without nodes it looks logits up in its tensor `table`."""
    graph = onnx_models.graph(
        [lookup()] if nodes is None else nodes,
        inputs=[onnx_models.value("input_ids", onnx_models.INT64, "b", "t")] if inputs is None else inputs,
        outputs=[onnx_models.value("logits", onnx_models.FLOAT, "b", "t", len(LABELS))]
        if output is None
        else [output],
        tensors=tensors,
    )
    return onnx_models.model(graph, domains=domains)


def lookup(*, table: str = "table", ids: str = "input_ids", logits: str = "logits") -> bytes:
    """The node that chooses the rows."""
    return onnx_models.node("Gather", [table, ids], [logits])


def table(rows: int, columns: int = len(LABELS)) -> bytes:
    """A random table as a tensor."""
    return onnx_models.tensor("table", random_table(rows, columns))


def external_table(location: str, rows: int = 400, **entries: object) -> bytes:
    """A table that lies in another file."""
    return onnx_models.external_tensor("table", (rows, len(LABELS)), location=location, **entries)
