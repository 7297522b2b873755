"""`clinspan pull` brings what a model folder needs and nothing else, and says what came; each failure is one line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support import bundles
from tests.support.hub.small_hub import COMMIT, SmallHub, serving

from clinspan import Recognizer
from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import open_bundle
from clinspan.cli.main import main

pytest.importorskip("huggingface_hub")

INT8 = "onnx/model_int8.onnx"
NEEDED = {"clinspan.json", "clinspan.json.sig", "tokenizer.json", INT8, bundles.MODEL}


def content(folder: Path) -> dict[str, bytes]:
    """The files of a folder by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def of_two_precisions(folder: Path) -> Path:
    """A bundle whose models are the same, under two names."""
    bundle = open_bundle(bundles.bundle(folder))
    (folder / INT8).write_bytes((folder / bundles.MODEL).read_bytes())
    replace(bundle, models={"int8": record_file(folder, INT8), **bundle.models}).write_manifest()
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallHub]:
    """A Hub with a bundle, an ONNX folder, a checkpoint and a gated model."""
    bundle = content(of_two_precisions(tmp_path / "bundle"))
    extra = {"clinspan.json.sig": bytes(64), "README.md": b"card", "model.safetensors": b"weights"}
    raw = {path: data for path, data in bundle.items() if path != "clinspan.json"} | {
        "config.json": json.dumps({"id2label": {"0": "O", "1": "B-DRUG"}}).encode(),
        "tokenizer_config.json": b"{}",
        "onnx/model.onnx_data": b"more",
        "onnx/model_fp16.onnx": b"half",
        "vocab.txt": b"a",
    }
    repositories = {
        "clinic/bundle": bundle | extra,
        "clinic/onnx": raw | extra,
        "clinic/checkpoint": {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": b""},
        "clinic/closed": bundle,
        "clinic/short": {path: data for path, data in bundle.items() if path != "tokenizer.json"},
    }
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with serving(SmallHub(repositories, gated={"clinic/closed"})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a failing `clinspan pull` says."""
    assert main(["pull", *arguments]) in (1, 2)
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.count("\n") == 1, streams.err
    return streams.err


def test_a_bundle_comes_with_the_files_it_lists_and_a_record(
    hub: SmallHub, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its signature too; the card and the checkpoint beside it stay there. What is printed is what lies there."""
    assert main(["pull", "clinic/bundle", "out"]) == 0
    files = content(Path("out"))
    record = json.loads(files.pop("pulled.json"))
    assert set(files) == hub.sent() == NEEDED
    sha256 = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    assert record == {"name": "clinic/bundle", "revision": COMMIT, "sha256": sha256}
    printed = capsys.readouterr().out
    assert f"clinic/bundle\nrevision  {COMMIT}\n" in printed
    assert all(f"{digest}  {path}\n" in printed for path, digest in sha256.items())
    assert sorted(path.name for path in Path().iterdir() if "out" in path.name) == ["out"]
    Recognizer.load("out", threads=1)


def test_one_precision_of_a_bundle_leaves_a_bundle_of_that_one(hub: SmallHub) -> None:
    """Its manifest lists what is there, so that it loads without being told; it is no longer what was signed."""
    assert main(["pull", "clinic/bundle@v1", "out", "--precision", "fp32"]) == 0
    assert hub.sent() == {"clinspan.json", "tokenizer.json", "onnx/model.onnx"}
    assert Recognizer.load("out", threads=1).report().precision == "fp32"


@pytest.mark.parametrize(
    ("flags", "models"),
    [
        ([], {"onnx/model_int8.onnx"}),
        (["--precision", "fp32"], {"onnx/model.onnx", "onnx/model.onnx_data"}),
        (["--precision", "fp16"], {"onnx/model_fp16.onnx"}),
    ],
)
def test_an_onnx_folder_comes_with_one_precision(hub: SmallHub, flags: list[str], models: set[str]) -> None:
    """With its configuration, its tokenizer, and the weights beside the model."""
    assert main(["pull", "clinic/onnx", "out", *flags]) == 0
    assert hub.sent() == {"config.json", "tokenizer.json", "tokenizer_config.json"} | models
    assert set(content(Path("out"))) == hub.sent() | {"pulled.json"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["clinic/none", "out"], "has no clinic/none"),
        (["clinic/bundle@v9", "out"], "clinic/bundle has no revision v9"),
        (["clinic/closed", "out"], "clinic/closed is gated: accept its conditions on"),
        (["clinic/checkpoint", "out"], "`clinspan-export clinic/checkpoint OUT` makes a bundle"),
        (["clinic/short", "out"], "lists tokenizer.json, which is not there"),
        (["clinic/bundle", "out", "--precision", "fp16"], "it has int8, fp32"),
        (["bundle", "out"], "bundle is not a name such as org/name"),
        (["She has pneumonia", "out"], "(a name of 17 characters) is not a name"),
    ],
)
def test_what_the_hub_does_not_give_is_said_in_a_line(
    hub: SmallHub, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """And nothing is left where the folder would be."""
    before = set(Path().iterdir())
    assert said in complaint(capsys, *arguments)
    assert set(Path().iterdir()) - {Path("home")} == before - {Path("home")}


@pytest.mark.parametrize(
    ("name", "path"), [("clinic/bundle", INT8), ("clinic/bundle", "tokenizer.json"), ("clinic/onnx", INT8)]
)
def test_a_file_that_arrives_damaged_is_refused(
    hub: SmallHub, capsys: pytest.CaptureFixture[str], name: str, path: str
) -> None:
    """By the sha256 of the manifest, or by the Hub's, which has one for large files."""
    hub.damaged = path
    line = complaint(capsys, name, "out")
    assert "sha256" in line
    assert path in line
    assert not Path("out").exists()


def test_without_a_network_it_says_so(
    hub: SmallHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens there; HF_ENDPOINT says where there is."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "the Hub (http://127.0.0.1:9) cannot be reached" in complaint(capsys, "clinic/bundle", "out")


def test_it_overwrites_only_what_it_made_and_only_if_asked(
    hub: SmallHub, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not a folder of somebody else, nor one of its own into which somebody put a file."""
    assert main(["pull", "clinic/bundle", "out"]) == 0
    capsys.readouterr()
    assert "out exists already" in complaint(capsys, "clinic/onnx", "out")
    assert main(["pull", "clinic/onnx", "out", "--force"]) == 0
    assert json.loads(Path("out/pulled.json").read_text())["name"] == "clinic/onnx"
    capsys.readouterr()
    Path("out/notes.txt").write_text("mine")
    assert "holds notes.txt, which pulled.json does not list" in complaint(
        capsys, "clinic/bundle", "out", "--force"
    )
    Path("other").mkdir()
    Path("other/a").touch()
    assert "has no pulled.json" in complaint(capsys, "clinic/bundle", "other", "--force")
    assert "is not a folder" in complaint(capsys, "clinic/bundle", "other/a", "--force")
    assert "that you are in" in complaint(capsys, "clinic/bundle", ".", "--force")
    assert Path("other/a").exists()


def test_a_model_of_the_local_cache_is_read_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `Recognizer.load` reads it; where the cache lacks it, the line names what brings it."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "cache" / "models--clinic--tagger"
    bundles.bundle(place / "snapshots" / COMMIT)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    assert main(["info", "--model", "clinic/tagger"]) == 0
    assert COMMIT in capsys.readouterr().out
    for command in (["info"], ["bench", "--seconds", "0.1"], ["package", "lambda", "--out", "f.zip"]):
        assert main([*command, "--model", "clinic/tagger@v2"]) == 2
        line = capsys.readouterr().err
        assert "`clinspan pull clinic/tagger@v2 OUT`" in line
        assert line.count("\n") == 1
    assert main(["info", "--model", "clinic/tagger/deep"]) == 2
    assert capsys.readouterr().err == "clinspan: clinic/tagger/deep is not a folder\n"
