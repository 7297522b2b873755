"""Bundles that somebody made to do harm, or broke: each is refused with one error that says what and where.

Every case is loaded in a process of its own kind, since what is tried here has ended processes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from inspect import getsource
from pathlib import Path

import pytest
from onnxruntime import InferenceSession
from tests.support import bundles
from tests.support.bundles import MODEL, TOKENIZER, external_table, table, table_model
from tests.support.damage import (
    LOADER,
    Damage,
    behind_identity,
    constant,
    custom,
    engine,
    enormous,
    file,
    filled,
    gives,
    in_manifest,
    in_subgraph,
    manifest,
    model,
    one_token,
    raw,
    replaced,
    strings,
    takes,
    three_dimensions,
    tokenizer,
    tokenizer_text,
    with_weights,
)
from tests.support.example_notes import NOTE
from tests.support.onnx_models import FLOAT, INT32, INT64

from clinspan import Recognizer
from clinspan.bundle.manifest import MANIFEST

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
    "words-unknown": (manifest(words="sentences"), "unknown rule of words"),
    "rename-number": (manifest(rename={"DRUG": 5}), "rename is not an object of strings"),
    "rename-list": (manifest(rename={"DRUG": ["x"]}), "rename is not an object of strings"),
    "rename-unknown": (manifest(rename={"\x1b[2J": "x"}), "printable"),
    "label-empty": (
        manifest(labels=["O", "", "I-DRUG"]),
        "an entity has no name|positions without an entity",
    ),
    "rename-empty": (manifest(rename={"DRUG": ""}), "an entity has no name"),
    "label-escape": (manifest(labels=["O", "B-\x1b[2J", "I-X"]), "labels holds .* printable"),
    "label-long": (manifest(labels=["O", "B-" + "x" * 300, "I-X"]), "at most 200"),
    "labels-many": (manifest(labels=["O", *(f"B-{i}" for i in range(10_000))]), "10001 labels"),
    "labels-too-many-for-logits": (manifest(labels=["O", *"ABCDEF"]), "5 logits a token.*7 labels"),
    "labels-too-few-for-logits": (manifest(labels=["O", "B-A"]), "5 logits a token.*2 labels"),
    "models-list": (manifest(models=[1]), "models is a list"),
    "models-null": (manifest(models={"fp32": None}), "fp32 is a NoneType"),
    "provenance-list": (manifest(provenance=[1]), "provenance is a list"),
    "size-negative": (manifest(models={"fp32": file("x", -1)}), "size is -1"),
    "size-huge": (manifest(models={"fp32": file(MODEL, 2**62)}), "at most 2147483647"),
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
    "file-folder": (replaced(MODEL, Path.mkdir), "is missing"),
    "file-system": (
        replaced(MODEL, lambda path: path.symlink_to("/proc/self/status")),
        "0 bytes, expected",
    ),
    "manifest-endless": (replaced(MANIFEST, lambda path: path.symlink_to("/dev/zero")), "is not a file"),
    "manifest-dangling": (replaced(MANIFEST, lambda path: path.symlink_to("gone")), "is not a file"),
    "manifest-pipe": (replaced(MANIFEST, os.mkfifo), "is not a file"),
    # Models: other files and other people's code.
    "external-beside": (with_weights(table_model(external_table("weights.bin"))), "'weights.bin', of which"),
    "external-up": (with_weights(table_model(external_table("../../outside.bin"))), "another file"),
    "external-link": (with_weights(table_model(external_table("link.bin"))), "another file"),
    "external-absolute": (model(table_model(external_table("/etc/passwd", 10, length=120))), "/etc/passwd"),
    "external-memory": (
        model(table_model(external_table("*/_ORT_MEM_ADDR_/*", 10, offset=4096, length=120))),
        "_ORT_MEM_ADDR_",
    ),
    "external-attribute": (with_weights(constant(external_table("../../outside.bin"))), "another file"),
    "external-subgraph": (with_weights(in_subgraph()), "another file|uses the operator"),
    "operator-custom": (model(custom()), "uses the operator .*evil"),
    "operator-engine": (model(engine()), "uses the operator .*EPContext"),
    "operator-bytes": (
        model(table_model(table(400)).replace(b"Gather", b"Gath\xe4r")),
        "uses the operator",
    ),
    # Models: what goes in and comes out.
    "model-empty": (model(b""), "model.onnx is not an ONNX file"),
    "model-zeros": (model(bytes(100)), "model.onnx is not an ONNX file"),
    "model-cut": (
        model(table_model(table(400))[:-9]),
        "model.onnx is not an ONNX file",
    ),
    "model-ort": (model(b"\x10\0\0\0ORTM" + b"\xff" * 200), "model.onnx is not an ONNX file"),
    "model-no-graph": (model(b"\x08\x09"), "cannot load model.onnx"),
    "model-huge": (model(enormous()), "model.onnx"),
    "input-bytes": (
        model(takes(INT64, "b", "length").replace(b"length", b"lengt\xff")),
        "names are not UTF-8",
    ),
    "input-name": (model(takes(INT64, "b", "t", name="tokens")), "takes the inputs tokens"),
    "input-int32": (model(takes(INT32, "b", "t")), r"input_ids as tensor\(int32\)"),
    "input-rank": (model(three_dimensions()), "expected tensor.* of 2 dimensions"),
    "input-fixed": (model(takes(INT64, 1, 128)), "of any length"),
    "output-name": (
        model(gives(table(400), FLOAT, "b", "t", 5, name="scores")),
        "no output called",
    ),
    "output-type": (model(strings()), r"logits as tensor\(string\)"),
    "output-classes": (
        model(gives(table(400, 4), FLOAT, "b", "t", "c")),
        "4 logits a token.*5 labels",
    ),
    "output-tokens": (model(one_token()), r"gives no answer.*shape \(1, 1, 5\), expected"),
    "table-small": (
        model(table_model(table(90))),
        "tokenizer.json has token ids up to .* rows for 0 to 89",
    ),
    "table-small-hidden": (model(behind_identity()), "gives no answer"),
    "logits-nan": (model(filled(float("nan"))), "model.onnx gives no answer.*not finite"),
    "logits-infinite": (model(filled(float("inf"))), "model.onnx gives no answer.*not finite"),
    # Tokenizers.
    "tokenizer-empty": (tokenizer(dict.clear), "tokenizer.json is not a tokenizer"),
    "tokenizer-deep": (
        tokenizer_text("[" * 1_000_000),
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
        damage(bundles.bundle(root / name / "bundle"))
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
    """The bundle that the cases above start from loads, so it is the damage that is refused."""
    assert Recognizer.load(bundles.bundle(tmp_path / "b"), threads=1).recognize(NOTE)
