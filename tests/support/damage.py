"""Ways to break a bundle, and models that somebody made to do harm; each damage is a function of the folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clinspan.bundle.manifest import MANIFEST
from tests.support import bundles
from tests.support.bundles import LABELS, TOKENIZER, external_table, lookup, table, table_model
from tests.support.onnx_models import (
    FLOAT,
    INT64,
    STRING,
    attribute,
    graph,
    graph_attribute,
    node,
    tensor,
    tensor_attribute,
    value,
)

Damage = Callable[[Path], object]

# Loads folders one after the other and says how it went, a line each.
LOADER = """
import json, sys, warnings
from clinspan import Recognizer
warnings.simplefilter("error")
for line in sys.stdin:
    try:
        spans = Recognizer.load(line.rstrip("\\n"), threads=1).recognize("Metformin 500 mg daily.")
        print(json.dumps(["loaded", str(len(spans))]), flush=True)
    except BaseException as error:
        print(json.dumps([type(error).__name__, str(error)]), flush=True)
"""


def manifest(**changes: Any) -> Damage:
    """Other values in the manifest."""
    return lambda folder: bundles.edit(folder, MANIFEST, **changes)


def raw(content: bytes) -> Damage:
    """Another manifest."""
    return lambda folder: (folder / MANIFEST).write_bytes(content)


def in_manifest(old: str, new: str) -> Damage:
    """Other text in the manifest, its own hash taken away."""

    def damage(folder: Path) -> None:
        bundles.edit(folder, MANIFEST)
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        assert old in text
        (folder / MANIFEST).write_text(text.replace(old, new), encoding="utf-8")

    return damage


def model(content: bytes) -> Damage:
    """Another model, recorded as it should be: by somebody who makes the whole bundle."""
    return lambda folder: bundles.save(folder, content)


def tokenizer(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Another tokenizer.json, recorded as it should be."""

    def damage(folder: Path) -> None:
        data = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
        change(data)
        tokenizer_text(json.dumps(data))(folder)

    return damage


def tokenizer_text(content: str) -> Damage:
    """Any text as tokenizer.json, recorded as it should be."""

    def damage(folder: Path) -> None:
        (folder / TOKENIZER).write_text(content, encoding="utf-8")
        bundles.record(folder)

    return damage


def replaced(name: str, make: Callable[[Path], object]) -> Damage:
    """Something else in the place of a file."""

    def damage(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return damage


def file(path: str, size: Any = 1, sha256: Any = "0" * 64) -> dict[str, Any]:
    """A file's record."""
    return {"path": path, "size": size, "sha256": sha256}


def with_weights(content: bytes) -> Damage:
    """A model, and files of weights beside it, outside its folder, and outside behind a link."""

    def damage(folder: Path) -> None:
        weights = bytes(400 * len(LABELS) * 4)
        (folder / "onnx" / "weights.bin").write_bytes(weights)
        (folder.parent / "outside.bin").write_bytes(weights)
        (folder / "onnx" / "link.bin").symlink_to("../../outside.bin")
        bundles.save(folder, content)

    return damage


def foreign(folder: Path, **config: Any) -> Path:
    """A folder as others make it: no manifest, and more in config.json."""
    (folder / MANIFEST).unlink()
    return bundles.edit(folder, "config.json", **config)


def in_subgraph() -> bytes:
    """A tensor in another file, two graphs down."""
    inner = graph(
        [node("Identity", ["table"], ["chosen"])],
        outputs=[value("chosen", FLOAT, 400, len(LABELS))],
        tensors=[external_table("../../outside.bin")],
    )
    branches = [graph_attribute("then_branch", inner), graph_attribute("else_branch", inner)]
    choice = node("If", ["yes"], ["rows"], attributes=branches)
    return table_model(tensor("yes", np.array(True)), nodes=[choice, lookup(table="rows")])


def constant(content: bytes) -> bytes:
    """A tensor in an attribute of a node."""
    made = node("Constant", [], ["table"], attributes=[tensor_attribute("value", content)])
    return table_model(nodes=[made, lookup()])


def filled(number: float) -> bytes:
    """A model whose logits are all the same."""
    return table_model(tensor("table", np.full((400, len(LABELS)), number, np.float32)))


def enormous() -> bytes:
    """A table of 20 TB, to be made on load."""
    shape = tensor("shape", np.array([10**12, len(LABELS)]))
    return table_model(shape, nodes=[node("ConstantOfShape", ["shape"], ["table"]), lookup()])


def behind_identity() -> bytes:
    """A table too small, which only running the model shows."""
    return table_model(table(90), nodes=[node("Identity", ["table"], ["t"]), lookup(table="t")])


def custom() -> bytes:
    """An operator of somebody's own."""
    own = node("Run", ["table", "input_ids"], ["logits"], domain="evil")
    return table_model(table(400), nodes=[own], domains=["evil"])


def engine() -> bytes:
    """A node that stands for a compiled model in another file."""
    attributes = [attribute("embed_mode", 0), attribute("ep_cache_context", "/x")]
    compiled = node("EPContext", ["input_ids"], ["logits"], domain="com.microsoft", attributes=attributes)
    return table_model(nodes=[compiled], domains=["com.microsoft"])


def takes(kind: int, *shape: int | str, name: str = "input_ids") -> bytes:
    """A model that takes something else."""
    return table_model(table(400), nodes=[lookup(ids=name)], inputs=[value(name, kind, *shape)])


def gives(content: bytes, kind: int, *shape: int | str, name: str = "logits") -> bytes:
    """A model that gives something else."""
    return table_model(content, nodes=[lookup(logits=name)], output=value(name, kind, *shape))


def three_dimensions() -> bytes:
    """input_ids of three dimensions, logits of four."""
    return table_model(
        table(400),
        inputs=[value("input_ids", INT64, "b", "t", "x")],
        output=value("logits", FLOAT, "b", "t", "x", len(LABELS)),
    )


def one_token() -> bytes:
    """Logits of the first token alone, whatever is asked; the graph does not show it."""
    choose = node("Gather", ["all", "first"], ["logits"], attributes=[attribute("axis", 1)])
    first = tensor("first", np.array([0]))
    return table_model(table(400), first, nodes=[lookup(logits="all"), choose])


def strings() -> bytes:
    """Logits that are words."""
    words = np.array([list("abcde")] * 400, dtype=object)
    return gives(tensor("table", words), STRING, "b", "t", len(LABELS))
