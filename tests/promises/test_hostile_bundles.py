"""Bundles that somebody made to do harm, or broke: each is refused with one error that says what and where.

Every case is loaded in a process of its own kind, since what is tried here has ended processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest
from onnxruntime import InferenceSession
from tests.support import tinybundle as tiny

from clinspan.bundle.manifest import MANIFEST

onnx, helper, TensorProto, graph, table = tiny.onnx, tiny.helper, tiny.TensorProto, tiny.graph, tiny.table

Damage = Callable[[Path], object]
TOKENIZER = "tokenizer.json"

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
    return lambda folder: tiny.edit(folder, MANIFEST, **changes)


def raw(content: bytes) -> Damage:
    """Another manifest."""
    return lambda folder: (folder / MANIFEST).write_bytes(content)


def in_manifest(old: str, new: str) -> Damage:
    """Other text in the manifest, its own hash taken away."""

    def damage(folder: Path) -> None:
        tiny.edit(folder, MANIFEST)
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        assert old in text
        (folder / MANIFEST).write_text(text.replace(old, new), encoding="utf-8")

    return damage


def model(make: Callable[[], Any]) -> Damage:
    """Another model, recorded as it should be: by somebody who makes the whole bundle."""
    return lambda folder: tiny.save(make(), folder)


def tokenizer(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Another tokenizer.json, recorded as it should be."""

    def damage(folder: Path) -> None:
        data = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
        change(data)
        (folder / TOKENIZER).write_text(json.dumps(data), encoding="utf-8")
        tiny.record(folder)

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


def with_file(make: Callable[[], Any]) -> Damage:
    """A model beside which, and outside whose folder, weights lie."""

    def damage(folder: Path) -> None:
        weights = bytes(400 * 3 * 4)
        (folder / "onnx" / "weights.bin").write_bytes(weights)
        (folder.parent / "outside.bin").write_bytes(weights)
        (folder / "onnx" / "link.bin").symlink_to("../../outside.bin")
        tiny.save(make(), folder)

    return damage


def in_subgraph() -> Any:
    """A tensor in another file, two graphs down."""
    inner = helper.make_graph(
        [helper.make_node("Identity", ["table"], ["chosen"])],
        "inner",
        [],
        [tiny.value("chosen", TensorProto.FLOAT, 400, 3)],
        [tiny.external("../../outside.bin")],
    )
    yes = onnx.numpy_helper.from_array(__import__("numpy").array(True), "yes")
    choice = helper.make_node("If", ["yes"], ["rows"], then_branch=inner, else_branch=inner)
    return graph(yes, nodes=[choice, tiny.lookup(table="rows")])


def constant(tensor: Any) -> Any:
    """A tensor in an attribute of a node."""
    return graph(nodes=[helper.make_node("Constant", [], ["table"], value=tensor), tiny.lookup()])


def filled(value: float) -> Any:
    """A model whose logits are all the same."""
    import numpy as np

    return graph(onnx.numpy_helper.from_array(np.full((400, 3), value, np.float32), "table"))


def enormous() -> Any:
    """A table of 12 TB, to be made on load."""
    import numpy as np

    shape = onnx.numpy_helper.from_array(np.array([10**12, 3]), "shape")
    return graph(shape, nodes=[helper.make_node("ConstantOfShape", ["shape"], ["table"]), tiny.lookup()])


def behind_identity() -> Any:
    """A table too small, which only running the model shows."""
    return graph(table(90), nodes=[helper.make_node("Identity", ["table"], ["t"]), tiny.lookup(table="t")])


def custom() -> Any:
    """An operator of somebody's own."""
    return graph(
        table(400),
        nodes=[helper.make_node("Run", ["table", "input_ids"], ["logits"], domain="evil")],
        domains=["evil"],
    )


def engine() -> Any:
    """A node that stands for a compiled model in another file."""
    node = helper.make_node(
        "EPContext", ["input_ids"], ["logits"], domain="com.microsoft", embed_mode=0, ep_cache_context="/x"
    )
    return graph(nodes=[node], domains=["com.microsoft"])


def ids(kind: int, *shape: int | str, name: str = "input_ids") -> Any:
    """A model that takes something else."""
    return graph(table(400), nodes=[tiny.lookup(ids=name)], inputs=[tiny.value(name, kind, *shape)])


def gives(tensor: Any, output: Any) -> Any:
    """A model that gives something else."""
    return graph(tensor, nodes=[tiny.lookup(logits=output.name)], output=output)


def three_dimensions() -> Any:
    """input_ids of three dimensions, logits of four."""
    return graph(
        table(400),
        inputs=[tiny.value("input_ids", TensorProto.INT64, "b", "t", "x")],
        output=tiny.value("logits", TensorProto.FLOAT, "b", "t", "x", 3),
    )


def one_token() -> Any:
    """Logits of the first token alone, whatever is asked; the graph does not show it."""
    import numpy as np

    first = onnx.numpy_helper.from_array(np.array([True]), "first")
    choose = helper.make_node("Compress", ["all", "first"], ["logits"], axis=1)
    return graph(table(400), first, nodes=[tiny.lookup(logits="all"), choose])


def strings() -> Any:
    """Logits that are words."""
    import numpy as np

    words = onnx.numpy_helper.from_array(np.array([["a", "b", "c"]] * 400, dtype=object), "table")
    return gives(words, tiny.value("logits", TensorProto.STRING, "b", "t", 3))


I64, F32 = TensorProto.INT64, TensorProto.FLOAT
# name -> what is done to a whole bundle, and what the error says.
CASES: dict[str, tuple[Damage, str]] = {
    # The manifest's text.
    "manifest-empty": (raw(b""), "not valid JSON"),
    "manifest-list": (raw(b"[]"), "JSON object"),
    "manifest-deep": (raw(b'{"a":' * 200_000), "too deep"),
    "manifest-deep-list": (raw(b"[" * 1_000_000), "too deep"),
    "manifest-giant": (raw(b" " * (9 * 2**20)), "larger than 8388608 bytes"),
    "manifest-bytes": (raw(b'{"a": "\xff"}'), "UTF-8"),
    "manifest-surrogate": (in_manifest('"tiny"', '"\\ud800"'), "UTF-8"),
    "manifest-key-twice": (in_manifest('"window"', '"window": 3, "window"'), "'window' is given twice"),
    "manifest-key-twice-inside": (in_manifest('"size"', '"size": 3, "size"'), "'size' is given twice"),
    "manifest-nan": (in_manifest('"overlap": 0', '"overlap": NaN'), "NaN"),
    "manifest-infinity": (manifest(provenance={"loss": float("inf")}), "Infinity"),
    "manifest-huge-float": (in_manifest('"overlap": 0', '"overlap": 1e999'), "too large"),
    "manifest-huge-number": (in_manifest('"window": 190', '"window": 1' + "0" * 5000), "JSON"),
    "manifest-changed": (
        lambda folder: (folder / MANIFEST).write_bytes(
            (folder / MANIFEST).read_bytes().replace(b"B-DRUG", b"B-FOOD").replace(b"I-DRUG", b"I-FOOD")
        ),
        "sha256 that it records",
    ),
    # The manifest's fields.
    "window-large": (manifest(window=10**30, max_window=10**30), "expected 1 to"),
    "window-negative": (manifest(overlap=-5), "overlap is -5"),
    "window-float": (manifest(window=190.0), "window is a float"),
    "rename-number": (manifest(rename={"DRUG": 5}), "rename is not an object of strings"),
    "rename-list": (manifest(rename={"DRUG": ["x"]}), "rename is not an object of strings"),
    "rename-unknown": (manifest(rename={"\x1b[2J": "x"}), "printable"),
    "label-empty": (manifest(labels=["O", "", "I-DRUG"]), "an entity has no name"),
    "rename-empty": (manifest(rename={"DRUG": ""}), "an entity has no name"),
    "label-escape": (manifest(labels=["O", "B-\x1b[2J", "I-X"]), "labels holds .* printable"),
    "label-long": (manifest(labels=["O", "B-" + "x" * 300, "I-X"]), "at most 200"),
    "labels-many": (manifest(labels=["O", *(f"B-{i}" for i in range(10_000))]), "10001 labels"),
    "labels-too-many-for-logits": (manifest(labels=["O", "B-A", "I-A", "B-B"]), "3 logits a token.*4 labels"),
    "labels-too-few-for-logits": (manifest(labels=["O", "B-A"]), "3 logits a token.*2 labels"),
    "models-list": (manifest(models=[1]), "models is a list"),
    "models-null": (manifest(models={"fp32": None}), "fp32 is a NoneType"),
    "provenance-list": (manifest(provenance=[1]), "provenance is a list"),
    "size-negative": (manifest(models={"fp32": file("x", -1)}), "size is -1"),
    "size-huge": (manifest(models={"fp32": file(tiny.MODEL, 2**62)}), "at most 2147483647"),
    "size-wrong": (manifest(tokenizer=file(TOKENIZER, 2**62)), "expected 4611686018427387904"),
    "size-text": (manifest(models={"fp32": file("x", "1")}), "size is a str"),
    "sha256-empty": (manifest(tokenizer=file(TOKENIZER, 1, "")), "expected 64 digits"),
    "sha256-long": (manifest(tokenizer=file(TOKENIZER, 1, "0" * 65)), "expected 64 digits"),
    # Paths.
    **{
        f"path-{name}": (manifest(tokenizer=file(path)), "outside its folder")
        for name, path in {
            "up": "../tokenizer.json",
            "up-inside": "onnx/../../tokenizer.json",
            "absolute": "/etc/passwd",
            "drive": "C:\\Windows\\x",
            "drive-relative": "C:x",
            "share": "\\\\server\\share\\x",
            "backslash": "..\\x",
            "stream": "tokenizer.json:hidden",
            "nul": "tokenizer.json\0",
            "newline": "a\nb",
            "empty": "",
            "dot": ".",
        }.items()
    },
    "path-long": (manifest(tokenizer=file("x" * 5000)), "xxx.* cannot be read|missing"),
    "path-deep": (manifest(tokenizer=file("x/" * 3000 + "y")), "cannot be read|missing"),
    # Files.
    "file-loop": (
        replaced(TOKENIZER, lambda path: path.symlink_to(path.name)),
        "tokenizer.json.* is missing",
    ),
    "file-pipe": (replaced(TOKENIZER, os.mkfifo), "tokenizer.json.* is missing"),
    "file-endless": (replaced(TOKENIZER, lambda path: path.symlink_to("/dev/zero")), "is missing"),
    "file-folder": (replaced(tiny.MODEL, Path.mkdir), "is missing"),
    "file-system": (
        replaced(tiny.MODEL, lambda path: path.symlink_to("/proc/self/status")),
        "0 bytes, expected",
    ),
    "manifest-endless": (replaced(MANIFEST, lambda path: path.symlink_to("/dev/zero")), "neither"),
    "manifest-pipe": (replaced(MANIFEST, os.mkfifo), "neither"),
    # Models: other files and other people's code.
    "external-beside": (with_file(lambda: graph(tiny.external("weights.bin"))), "'weights.bin', of which"),
    "external-up": (with_file(lambda: graph(tiny.external("../../outside.bin"))), "another file"),
    "external-link": (with_file(lambda: graph(tiny.external("link.bin"))), "another file"),
    "external-absolute": (model(lambda: graph(tiny.external("/etc/passwd", 10, length=120))), "/etc/passwd"),
    "external-memory": (
        model(lambda: graph(tiny.external("*/_ORT_MEM_ADDR_/*", 10, offset=4096, length=120))),
        "_ORT_MEM_ADDR_",
    ),
    "external-attribute": (with_file(lambda: constant(tiny.external("../../outside.bin"))), "another file"),
    "external-subgraph": (with_file(in_subgraph), "another file"),
    "operator-custom": (model(custom), "cannot load model.onnx.*evil"),
    "operator-engine": (model(engine), "cannot load model.onnx.*EPContext"),
    "operator-bytes": (
        model(lambda: graph(table(400)).SerializeToString().replace(b"Gather", b"Gath\xe4r")),
        "cannot load model.onnx",
    ),
    # Models: what goes in and comes out.
    "model-empty": (model(lambda: b""), "model.onnx is not an ONNX file"),
    "model-zeros": (model(lambda: bytes(100)), "model.onnx is not an ONNX file"),
    "model-cut": (
        model(lambda: graph(table(400)).SerializeToString()[:-9]),
        "model.onnx is not an ONNX file",
    ),
    "model-ort": (model(lambda: b"\x10\0\0\0ORTM" + b"\xff" * 200), "model.onnx is not an ONNX file"),
    "model-no-graph": (model(lambda: b"\x08\x09"), "cannot load model.onnx"),
    "model-huge": (model(enormous), "model.onnx"),
    "input-bytes": (
        model(lambda: ids(I64, "b", "length").SerializeToString().replace(b"length", b"lengt\xff")),
        "names are not UTF-8",
    ),
    "input-name": (model(lambda: ids(I64, "b", "t", name="tokens")), "takes the inputs tokens"),
    "input-int32": (model(lambda: ids(TensorProto.INT32, "b", "t")), r"input_ids as tensor\(int32\)"),
    "input-rank": (model(three_dimensions), "expected tensor.* of 2 dimensions"),
    "input-fixed": (model(lambda: ids(I64, 1, 128)), "of any length"),
    "output-name": (
        model(lambda: gives(table(400), tiny.value("scores", F32, "b", "t", 3))),
        "no output called",
    ),
    "output-type": (model(strings), r"logits as tensor\(string\)"),
    "output-classes": (
        model(lambda: gives(table(400, 4), tiny.value("logits", F32, "b", "t", "c"))),
        "4 logits a token.*3 labels",
    ),
    "output-tokens": (model(one_token), r"gives no answer.*shape \(1, 1, 3\), expected"),
    "table-small": (
        model(lambda: graph(table(90))),
        "tokenizer.json has token ids up to .* rows for 0 to 89",
    ),
    "table-small-hidden": (model(behind_identity), "gives no answer"),
    "logits-nan": (model(lambda: filled(float("nan"))), "model.onnx gives no answer.*not finite"),
    "logits-infinite": (model(lambda: filled(float("inf"))), "model.onnx gives no answer.*not finite"),
    # Tokenizers.
    "tokenizer-empty": (tokenizer(dict.clear), "tokenizer.json is not a tokenizer"),
    "tokenizer-deep": (
        lambda folder: tiny.record(
            [(folder / TOKENIZER).write_text("[" * 1_000_000), folder][1]  # type: ignore[arg-type]
        ),
        "tokenizer.json is not a tokenizer",
    ),
    "tokenizer-no-unknown": (
        tokenizer(lambda data: data["model"].update(unk_token="[NONE]")),
        "tokenizer.json cannot tokenize",
    ),
    "tokenizer-no-tokens": (
        tokenizer(
            lambda data: data.update(normalizer={"type": "Replace", "pattern": {"Regex": "."}, "content": ""})
        ),
        "into no tokens",
    ),
    "tokenizer-far-id": (
        tokenizer(lambda data: data["model"]["vocab"].update(metformin=4_000_000_000)),
        "token ids up to 4000000000",
    ),
    "tokenizer-added-id": (
        tokenizer(
            lambda data: data["added_tokens"].append(
                {**data["added_tokens"][0], "id": 7000, "content": "zzqq", "special": False}
            )
        ),
        "token ids up to|is not a tokenizer",
    ),
    "tokenizer-frame-id": (
        tokenizer(lambda data: data["post_processor"]["special_tokens"]["[CLS]"].update(ids=[10**6])),
        "token ids up to 1000000",
    ),
    "tokenizer-frame-long": (
        tokenizer(
            lambda data: data["post_processor"].update(
                single=[{"SpecialToken": {"id": "[CLS]", "type_id": 0}}] * 2000
                + [{"Sequence": {"id": "A", "type_id": 0}}]
            )
        ),
        "2000 special tokens",
    ),
    "tokenizer-regex": (
        tokenizer(
            lambda data: data.update(normalizer={"type": "Replace", "pattern": {"Regex": "("}, "content": ""})
        ),
        "tokenizer.json is not a tokenizer",
    ),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """How loading each case ended, and what the processes wrote beside it."""
    root = tmp_path_factory.mktemp("hostile")
    for name, (damage, _) in CASES.items():
        (root / name).mkdir()
        damage(tiny.bundle(root / name / "bundle"))
    ended: dict[str, tuple[str, str]] = {}
    while rest := [name for name in CASES if name not in ended]:
        done = subprocess.run(
            [sys.executable, "-c", LOADER],
            input="".join(f"{root / name / 'bundle'}\n" for name in rest),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('["')]
        others = [line for line in done.stdout.splitlines() if not line.startswith('["')]
        ended |= {name: (kind, text) for name, (kind, text) in zip(rest, lines, strict=False)}
        # Before onnxruntime had the option, one failed load in a hundred said so on standard output.
        quiet = "enable_fallback" in getsource(InferenceSession.__init__).replace("_enable_fallback", "")
        ended["written"] = ("".join(others) if quiet else "", done.stderr)
        if len(lines) < len(rest):
            ended[rest[len(lines)]] = ("crash", f"the process ended with {done.returncode}: {done.stderr}")
    return ended


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_bundle_is_refused(verdicts: dict[str, tuple[str, str]], name: str) -> None:
    """One BundleError of one line that says what and where; never another error, never the process's end."""
    import re

    kind, message = verdicts[name]
    assert kind == "BundleError", message
    assert re.search(CASES[name][1], message), message
    assert "\n" not in message
    assert len(message) < 600
    assert message.isprintable()


def test_nothing_is_written_while_bundles_are_refused(
    verdicts: dict[str, tuple[str, str]],
) -> None:
    """The error says it; onnxruntime's own lines are kept away."""
    assert verdicts["written"] == ("", "")


def test_the_whole_bundle_is_not_refused(tmp_path: Path) -> None:
    """What the cases above start from is sound: it is the damage that is refused."""
    from clinspan import Recognizer

    assert Recognizer.load(tiny.bundle(tmp_path / "b"), threads=1).recognize(tiny.NOTE)


@pytest.mark.parametrize("setting", ["truncation", "padding"])
def test_truncation_and_padding_in_a_tokenizer_are_overridden(tmp_path: Path, setting: str) -> None:
    """A note is read to its end whatever tokenizer.json says: never a silent truncation."""
    from clinspan import Recognizer

    folder = tiny.bundle(tmp_path / "b")
    whole = Recognizer.load(folder, threads=1).recognize(tiny.NOTE)
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
    assert Recognizer.load(folder, threads=1).recognize(tiny.NOTE) == whole
    assert len(whole) > 2


def test_a_tokenizer_that_panics_is_refused(tmp_path: Path) -> None:
    """A panic in Rust is no Exception, and would pass every `except Exception`; what it prints is its own."""
    folder = tiny.bundle(tmp_path / "b")
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


def foreign(folder: Path, **config: Any) -> Path:
    """A folder as others make it: no manifest."""
    (folder / MANIFEST).unlink()
    names = {str(index): name for index, name in enumerate(tiny.LABELS)}
    (folder / "config.json").write_text(json.dumps({"id2label": names, **config}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"id2label": {"0": "O", "1": {"a": 1}}}, "something else than names"),
        ({"id2label": {"0": "O", "1": "B-\x1b[2J"}}, "printable"),
        ({"id2label": {"0": "O", "2": "B-X"}}, "numbered 0 to 1"),
        ({"id2label": {str(i): f"B-{i}" if i else "O" for i in range(10_001)}}, "10001 labels"),
        ({"max_position_embeddings": 10**9}, "at most 1000000"),
        ({"model_type": ["bert"]}, "model_type"),
        ({"x": float("nan")}, "NaN"),
    ],
    ids=["nested", "escape", "gap", "many", "positions", "type", "nan"],
)
def test_a_hostile_config_is_refused(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    """Folders without a manifest are read as strictly."""
    from clinspan import BundleError, Recognizer

    folder = foreign(tiny.bundle(tmp_path / "b"), **config)
    with pytest.raises(BundleError, match=message):
        Recognizer.load(folder, threads=1)


@pytest.mark.parametrize("location", ["../../outside.bin", "/etc/passwd", "gone.bin", "*/_ORT_MEM_ADDR_/*"])
def test_weights_outside_a_folder_without_manifest_are_refused(tmp_path: Path, location: str) -> None:
    """Large models keep weights in a file beside them, and only there."""
    from clinspan import BundleError, Recognizer

    folder = tiny.bundle(tmp_path / "b")
    with_file(lambda: graph(tiny.external(location)))(folder)
    with pytest.raises(BundleError, match="no file beside it"):
        Recognizer.load(foreign(folder), threads=1)


def test_weights_beside_a_model_without_manifest_are_read(tmp_path: Path) -> None:
    """As the Hub's repositories of large models have them."""
    from clinspan import Recognizer

    folder = tiny.bundle(tmp_path / "b")
    vocabulary = len(json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))["model"]["vocab"])
    weights = tiny.table(vocabulary)
    (folder / "onnx" / "model.onnx_data").write_bytes(weights.raw_data)
    expected = Recognizer.load(folder, threads=1).recognize(tiny.NOTE)
    tiny.save(graph(tiny.external("model.onnx_data", vocabulary)), folder)
    assert Recognizer.load(foreign(folder), threads=1).recognize(tiny.NOTE) == expected


def test_special_tokens_without_a_row_are_no_reason_to_refuse(tmp_path: Path) -> None:
    """A mask token behind the table's end is never found in a note: models in the wild have one."""
    from clinspan import Recognizer

    folder = tiny.bundle(tmp_path / "b")
    expected = Recognizer.load(folder, threads=1).recognize(tiny.NOTE)
    extra = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    size = len(json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))["model"]["vocab"])
    tokenizer(lambda data: data["added_tokens"].append({"id": size, "content": "<mask>", **extra}))(folder)
    assert Recognizer.load(folder, threads=1).recognize(tiny.NOTE) == expected
    assert Recognizer.load(folder, threads=1).recognize(tiny.NOTE + " <mask>")[: len(expected) - 1]
