"""Bundles of a few kilobytes, whole or hostile: the model is one table with a row of logits a token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import MANIFEST, Bundle
from clinspan.text.labels import detect
from tests.support import example_notes, small_tokenizers

onnx = pytest.importorskip("onnx")
helper, TensorProto = onnx.helper, onnx.TensorProto
LABELS = ["O", "B-DRUG", "I-DRUG"]
MODEL = "onnx/model.onnx"
NOTE = "Metformin 500 mg twice daily, then insulin.\nNo chest pain; left knee swollen."


def bundle(folder: Path) -> Path:
    """Write a whole bundle."""
    (folder / "onnx").mkdir(parents=True)
    tokenizer = small_tokenizers.wordpiece(
        [path.read_text(encoding="utf-8") for path in example_notes.EXAMPLES]
    )
    small_tokenizers.save(tokenizer, folder)
    save(graph(table(tokenizer.get_vocab_size())), folder)
    return folder


def save(model: Any, folder: Path) -> Path:
    """Put a model in its place, and write a manifest that fits the files."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (folder / MODEL).write_bytes(content)
    return record(folder)


def record(folder: Path, **changes: Any) -> Path:
    """Write the manifest of the files that are there."""
    made = Bundle(
        path=folder,
        name="tiny",
        labels=detect(LABELS),
        models={"fp32": record_file(folder, MODEL)},
        tokenizer=record_file(folder, "tokenizer.json"),
    )
    made.write_manifest()
    return edit(folder, MANIFEST, **changes) if changes else folder


def edit(folder: Path, name: str, /, **changes: Any) -> Path:
    """Change fields of a JSON file as by hand; a manifest then has no hash of its own."""
    data = json.loads((folder / name).read_text(encoding="utf-8"))
    if name == MANIFEST:
        data.pop("sha256", None)
    (folder / name).write_text(json.dumps({**data, **changes}), encoding="utf-8")
    return folder


def table(rows: int, columns: int = 3) -> Any:
    """Logits of every token, of all kinds."""
    values = np.random.default_rng(7).normal(size=(rows, columns)).astype(np.float32)
    return onnx.numpy_helper.from_array(values, "table")


def external(location: str, rows: int = 400, **entries: object) -> Any:
    """A table that lies in another file."""
    tensor = TensorProto(name="table", data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.dims.extend([rows, 3])
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def graph(
    *tables: Any,
    nodes: Sequence[Any] | None = None,
    inputs: Sequence[Any] | None = None,
    output: Any = None,
    domains: Sequence[str] = (),
) -> Any:
    """A model; without nodes it looks logits up in the table."""
    made = helper.make_graph(
        [lookup()] if nodes is None else list(nodes),
        "tiny",
        [value("input_ids", TensorProto.INT64, "b", "t")] if inputs is None else list(inputs),
        [value("logits", TensorProto.FLOAT, "b", "t", 3) if output is None else output],
        list(tables),
    )
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9)


def lookup(**names: str) -> Any:
    """The node that chooses the rows."""
    return helper.make_node(
        "Gather",
        [names.get("table", "table"), names.get("ids", "input_ids")],
        [names.get("logits", "logits")],
    )


def value(name: str, kind: int, *shape: int | str) -> Any:
    """Name, type and shape of an input or output."""
    return helper.make_tensor_value_info(name, kind, shape)
