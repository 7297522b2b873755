"""Bundles of a few kilobytes for texts: the model averages a row of numbers for every token that it reads.

A token of a second text counts twice, so that a test sees whether its type id arrives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import Bundle
from clinspan.bundle.tasks import Head
from clinspan.text.merge import Scoring, Vectors
from tests.support import bundles, example_notes, onnx_models, small_tokenizers
from tests.support.bundles import MODEL, TOKENIZER

LABELS = ("asthma", "fever", "injury")
VECTORS = Vectors(dimension=4, pooling="mean")


def classifier(folder: Path, scoring: Scoring | None = None, *, window: int = 60, overlap: int = 0) -> Path:
    """Write a bundle that scores `LABELS`, or those of `scoring`, in windows of `window` tokens."""
    return _bundle(folder, scoring or Scoring(LABELS), window, overlap)


def embedder(folder: Path, vectors: Vectors = VECTORS, *, window: int = 60) -> Path:
    """Write a bundle that gives vectors, in windows of `window` tokens."""
    return _bundle(folder, vectors, window, 0)


def rows(width: int, *, seed: int = 11) -> np.ndarray:
    """The numbers of every token, float32 (vocabulary, width)."""
    return bundles.random_table(_vocabulary(), width, seed=seed)


def foreign(folder: Path, config: Mapping[str, object]) -> Path:
    """A classifier's folder as other tools leave it: without a manifest."""
    classifier(folder)
    (folder / "clinspan.json").unlink()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _bundle(folder: Path, head: Head, window: int, overlap: int) -> Path:
    width, output = (
        (head.dimension, "sentence_embedding") if isinstance(head, Vectors) else (len(head.names), "logits")
    )
    (folder / "onnx").mkdir(parents=True)
    tokenizer = small_tokenizers.wordpiece(example_notes.texts())
    tokenizer.save(str(folder / TOKENIZER))
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / MODEL).write_bytes(_model(rows(width), output, width))
    Bundle(
        path=folder,
        name="tiny",
        head=head,
        models={"fp32": record_file(folder, MODEL)},
        tokenizer=record_file(folder, TOKENIZER),
        window=window,
        overlap=overlap,
    ).write_manifest()
    return folder


def _model(table: np.ndarray, output: str, width: int) -> bytes:
    """mean over tokens of table[id] * (1 + type), padding left out."""
    node, value = onnx_models.node, onnx_models.value
    to_float = [onnx_models.attribute("to", onnx_models.FLOAT)]
    nodes = [
        node("Gather", ["table", "input_ids"], ["rows"]),
        node("Cast", ["attention_mask"], ["mask"], attributes=to_float),
        node("Cast", ["token_type_ids"], ["types"], attributes=to_float),
        node("Add", ["types", "one"], ["more"]),
        node("Mul", ["mask", "more"], ["weights"]),
        node("Unsqueeze", ["weights", "last"], ["columns"]),
        node("Mul", ["rows", "columns"], ["weighed"]),
        node("ReduceSum", ["weighed", "tokens"], ["sums"], attributes=[onnx_models.attribute("keepdims", 0)]),
        node("ReduceSum", ["mask", "tokens"], ["counts"], attributes=[onnx_models.attribute("keepdims", 1)]),
        node("Div", ["sums", "counts"], [output]),
    ]
    inputs = [
        value(name, onnx_models.INT64, "b", "t") for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    tensors = [
        onnx_models.tensor("table", table),
        onnx_models.tensor("one", np.ones(1, np.float32)),
        onnx_models.tensor("last", np.array([2], np.int64)),
        onnx_models.tensor("tokens", np.array([1], np.int64)),
    ]
    outputs = [value(output, onnx_models.FLOAT, "b", width)]
    return onnx_models.model(onnx_models.graph(nodes, inputs=inputs, outputs=outputs, tensors=tensors))


def _vocabulary() -> int:
    size: int = small_tokenizers.wordpiece(example_notes.texts()).get_vocab_size()
    return size


def sentence_folder(
    folder: Path,
    *,
    pooling: str = "mean_tokens",
    normalize: bool = False,
    output: str = "last_hidden_state",
    modules: list[dict[str, str]] | None = None,
) -> Path:
    """An encoder's folder as sentence-transformers leaves it with an ONNX model: the graph gives a row for each token."""
    bundles.bundle(folder, small_tokenizers.wordpiece(example_notes.texts()), table=rows(4))
    (folder / "clinspan.json").unlink()
    graph = onnx_models.graph(
        [bundles.lookup(logits=output)],
        inputs=[onnx_models.value("input_ids", onnx_models.INT64, "b", "t")],
        outputs=[onnx_models.value(output, onnx_models.FLOAT, "b", "t", 4)],
        tensors=[onnx_models.tensor("table", rows(4))],
    )
    (folder / MODEL).write_bytes(onnx_models.model(graph))
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    said = [
        {"path": "" if kind == "Transformer" else f"1_{kind}", "type": f"sentence_transformers.models.{kind}"}
        for kind in kinds
    ]
    (folder / "1_Pooling").mkdir()
    for name, content in {
        "config.json": {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 4},
        "modules.json": said if modules is None else modules,
        "sentence_bert_config.json": {"max_seq_length": 62},
        "1_Pooling/config.json": {"pooling_mode_cls_token": False, f"pooling_mode_{pooling}": True},
    }.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder
