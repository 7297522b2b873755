"""An export that cannot be done says why in one line and leaves nothing behind."""

from __future__ import annotations

import errno
import importlib.metadata as metadata
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.support import tiny_checkpoints
from tests.support.example_notes import ROOT

from clinspan.errors import installing
from clinspan_export import exporter
from clinspan_export.cli.main import main
from clinspan_export.graphs import fp16, fp32, int8

pytestmark = pytest.mark.export


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tiny_checkpoints.save(tmp_path / "checkpoint")


def _refused(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], *extra: str) -> str:
    """Run an export that must fail; its last line, after checking that nothing was left behind."""
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main([str(source), str(tmp_path / "out"), *extra]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    (line,) = [line for line in captured.err.splitlines() if line.startswith("clinspan-export:")]
    assert captured.err.splitlines()[-1] == line
    return line


def test_damaged_weights(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A download that stopped halfway is named as unreadable, not as anything else."""
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    assert "cannot be loaded (SafetensorError" in _refused(source, tmp_path, capsys)


def test_damaged_configuration(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A config.json that is not JSON."""
    (source / "config.json").write_text("{", encoding="utf-8")
    assert "cannot be loaded" in _refused(source, tmp_path, capsys)


def test_weights_of_another_shape(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights that do not fit the configuration are refused, never filled up with random ones."""
    _edit(source, hidden_size=64)
    assert "cannot be loaded" in _refused(source, tmp_path, capsys)


def test_labels_that_do_not_fit_the_classifier(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """More labels than the classifier has rows."""
    names = ["O", *(f"B-L{number}" for number in range(8))]
    _edit(source, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)})
    assert "cannot be loaded" in _refused(source, tmp_path, capsys)


def test_weights_that_are_no_numbers(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that diverged in training gives NaN; the bundle of it is refused."""
    from safetensors.torch import load_file, save_file

    weights = load_file(source / "model.safetensors")
    weights["classifier.bias"][0] = float("nan")
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})
    assert "not finite" in _refused(source, tmp_path, capsys)


def test_no_outside_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no label can be told to mean "no entity", the option that names it is named."""
    source = tiny_checkpoints.save(tmp_path / "checkpoint", labels=("PROBLEM", "TEST"))
    assert "name the outside label" in _refused(source, tmp_path, capsys)


def test_code_of_its_own(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkpoint that wants to run its code is refused unless an option allows it; it never runs."""
    ran = tmp_path / "checkpoint" / "ran"
    (source / "custom.py").write_text(f"open({str(ran)!r}, 'w').close()\n", encoding="utf-8")
    _edit(
        source,
        model_type="custom",
        auto_map={
            "AutoConfig": "custom.Config",
            "AutoModelForTokenClassification": "custom.Model",
        },
    )
    assert "--trust-remote-code" in _refused(source, tmp_path, capsys)
    assert not ran.exists()


def test_pickled_weights(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pickles can run code when they are read: refused by default, read where the option allows it."""
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(source / "model.safetensors"), source / "pytorch_model.bin")
    (source / "model.safetensors").unlink()
    assert "--allow-pickle" in _refused(source, tmp_path, capsys)
    assert main([str(source), str(tmp_path / "out"), "--allow-pickle", "--precision=fp32"]) == 0


def test_missing_extra_is_named(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the runtime is installed, one line says what brings the rest; exit code 2."""
    monkeypatch.setattr(exporter, "_EXTRA", ("json", "a_package_that_nobody_has"))
    assert main([str(source), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error == (
        "clinspan-export: a_package_that_nobody_has is not installed: "
        f"exporting needs {installing('export')}\n"
    )


def test_old_version_is_named(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transformers that is older than the extra allows is one line, before anything is read."""
    monkeypatch.setattr(exporter, "_OLDEST", {"transformers": "99.1"})
    assert main([str(source), str(tmp_path / "out")]) == 2
    assert "is installed, and exporting needs 99.1 or newer" in capsys.readouterr().err


def test_oldest_versions_are_those_of_the_extra() -> None:
    """The exporter refuses exactly what pip would not install."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    for name, oldest in exporter._OLDEST.items():
        assert f"{name}>={oldest}" in extras["export"]


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        (
            {"transformers": "4.57.6"},
            f"optimum-onnx is not installed: --exporter optimum needs {installing('optimum')}",
        ),
        (
            {"optimum-onnx": "0.1.0", "transformers": "5.24.0"},
            "optimum-onnx 0.1.0 works with transformers before 4.58, and 5.24.0",
        ),
    ],
    ids=["missing", "too-new"],
)
def test_optimum_that_cannot_be_had_is_one_line(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    versions: dict[str, str],
    message: str,
) -> None:
    """The other exporter, where it is not installed or does not go with transformers: no fallback to torch."""
    known = {"torch": "2.13.0", **versions}

    def version(name: str) -> str:
        if name not in known:
            raise metadata.PackageNotFoundError
        return known[name]

    monkeypatch.setattr(metadata, "version", version)
    assert main([str(source), str(tmp_path / "out"), "--exporter=optimum"]) == 2
    assert capsys.readouterr().err.startswith(f"clinspan-export: {message}")
    assert not (tmp_path / "out").exists()


def test_no_permission(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A place that cannot be written to is named before the long part begins to cost anything."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main([str(source), str(tmp_path / "file" / "out")]) == 1
    assert capsys.readouterr().err == (
        f"clinspan-export: cannot make {tmp_path / 'file' / 'out'} in {tmp_path / 'file'}: it is not a folder\n"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_write_permission(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that only others may write to."""
    (tmp_path / "closed").mkdir(mode=0o500)
    assert main([str(source), str(tmp_path / "closed" / "out")]) == 1
    assert "no permission to write there" in capsys.readouterr().err


@pytest.mark.parametrize("writer", [(int8, "write_int8"), (fp16, "write_fp16")], ids=["int8", "fp16"])
def test_full_disk(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    writer: tuple[Any, str],
) -> None:
    """The system's own words for it, and the space is given back."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*writer, full)
    line = _refused(source, tmp_path, capsys, "--precision=int8", "--precision=fp16")
    assert "No space left on device" in line


def test_writes_that_really_fail(source: Path, tmp_path: Path) -> None:
    """Under a limit on file sizes the write fails inside the export libraries; one line, nothing left."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    with _run(source, tmp_path, preexec_fn=limit) as running:
        assert running.stderr is not None
        last = running.stderr.read().splitlines()[-1]
    assert running.returncode == 1
    assert last.startswith("clinspan-export: ")
    assert not [path for path in tmp_path.iterdir() if path.name != "checkpoint"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["keyboard", "terminate"])
def test_interrupted(source: Path, tmp_path: Path, how: signal.Signals) -> None:
    """Stopped in the middle of the work, it leaves neither half a bundle nor a temporary folder."""

    def listen() -> None:
        signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # a background job of a shell is deaf to it, and so its tests

    with _run(source, tmp_path, preexec_fn=listen) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "writing int8" in line:
                break
        time.sleep(0.05)
        running.send_signal(how)
        rest = running.stderr.read()
    assert running.returncode == 130
    assert "interrupted, nothing was left behind" in rest
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_interrupted_replacement_keeps_the_old_bundle(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --force, what stood there stays until the new bundle is whole, and comes back if the move fails."""
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32"]) == 0
    before = (tmp_path / "out" / "clinspan.json").read_bytes()
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "out" == Path(target).name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32", "--force"]) == 1
    assert (tmp_path / "out" / "clinspan.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint", "out"]


def test_graph_that_is_another_model(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph whose weights differ from the checkpoint's by little is refused all the same."""
    write = fp32.write_fp32

    def tampered(loaded: Any, path: Path, exporter: str) -> None:
        loaded.model.classifier.bias.data += 0.01
        write(loaded, path, exporter)
        loaded.model.classifier.bias.data -= 0.01

    monkeypatch.setattr(fp32, "write_fp32", tampered)
    assert "the fp32 ONNX model is not the PyTorch model" in _refused(source, tmp_path, capsys)


def test_graph_with_a_frozen_batch(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph that was traced for one row only is refused, although every note would run on it."""
    import onnx

    write = fp32.write_fp32

    def frozen(loaded: Any, path: Path, exporter: str) -> None:
        write(loaded, path, exporter)
        model = onnx.load(path)
        for node in model.graph.input:
            node.type.tensor_type.shape.dim[0].dim_value = 1
        onnx.save(model, path)

    monkeypatch.setattr(fp32, "write_fp32", frozen)
    line = _refused(source, tmp_path, capsys, "--precision=fp32")
    assert "is not the PyTorch model: the model failed on a batch of 3 x 9 tokens" in line


# The day, and the rows of measured speed.
_TIMES = rb"Made [0-9-]{10} by|\| exported \| [0-9-]{10} |CPU time of a window, ms[^\n]*"


def test_same_inputs_give_the_same_files(source: Path, tmp_path: Path) -> None:
    """Byte by byte, except for the day and what was timed; from another folder and another process too."""
    arguments = ["--precision=fp32", "--precision=int8", "--precision=fp16"]
    assert main([str(source), str(tmp_path / "a" / "model"), *arguments]) == 0
    (tmp_path / "b").mkdir()
    with _run(source, tmp_path / "b", *arguments) as running:
        _, errors = running.communicate()
    assert running.returncode == 0, errors
    first, second = tmp_path / "a" / "model", tmp_path / "b" / "out"
    names = sorted(str(path.relative_to(first)) for path in first.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(second)) for path in second.rglob("*") if path.is_file())
    assert len(names) >= 8
    for name in names:
        if name == "clinspan.json":
            manifests = [
                json.loads((folder / name).read_text(encoding="utf-8")) for folder in (first, second)
            ]
            for manifest in manifests:
                assert manifest["provenance"].pop("exported_at")
                assert manifest["provenance"].pop("window_ms").keys() == {"fp32", "int8"}
                assert manifest.pop("card")
                assert manifest.pop("sha256")  # over the time as well
            assert manifests[0] == manifests[1]
        else:
            contents = [(folder / name).read_bytes() for folder in (first, second)]
            if name in ("report.html", "README.md"):
                contents = [re.sub(_TIMES, b"", content) for content in contents]
            assert contents[0] == contents[1], name


def _run(source: Path, folder: Path, *extra: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "clinspan_export", str(source), str(folder / "out"), *extra]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **options)


def _edit(source: Path, **settings: Any) -> None:
    path = source / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, **settings}), encoding="utf-8")
