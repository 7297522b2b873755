"""Wrong use of `clinspan-export` ends in one line, before anything is downloaded, read or trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

from clinspan_export.cli.main import main

pytestmark = pytest.mark.export
Refuse = Callable[[Sequence[str | Path]], str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A BERT that reads 128 tokens, of which two are special."""
    return tiny_checkpoints.save(tmp_path / "checkpoint")


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Runs a command that must end in one line before any weights are loaded; gives that line."""
    from transformers import AutoModelForTokenClassification

    def load(*_: object, **__: object) -> None:
        pytest.fail("weights were loaded")

    monkeypatch.setattr(AutoModelForTokenClassification, "from_pretrained", load)

    def run(arguments: Sequence[str | Path]) -> str:
        assert main([str(argument) for argument in arguments]) == 1
        errors = [
            line for line in capsys.readouterr().err.splitlines() if not line.startswith(("[", "labels:"))
        ]
        (line,) = errors
        assert line.startswith("clinspan-export: ")
        return line

    return run


def training(tmp_path: Path, source: Path | str, *extra: str, command: str = "finetune") -> list[str | Path]:
    """A command to train on a file that is not there, so that whatever reads it fails."""
    return [
        command,
        str(tmp_path / "none.jsonl"),
        "--base",
        str(source),
        "--out",
        str(tmp_path / "o"),
        *extra,
    ]


@pytest.mark.parametrize("command", ["finetune", "train-bundle"])
@pytest.mark.parametrize("window", [["--window", "500"], []], ids=["given", "default"])
def test_a_window_longer_than_the_encoder_reads(
    source: Path, tmp_path: Path, refused: Refuse, command: str, window: list[str]
) -> None:
    """The default of 190 tokens is too long for a base of 128 positions: it is said before the training."""
    line = refused(training(tmp_path, source, *window, command=command))
    assert "reads at most 126: give --window 126 or less" in line


def test_a_device_that_is_not_there(source: Path, tmp_path: Path, refused: Refuse) -> None:
    """Without CUDA, and for a name that no device has."""
    import torch

    if not torch.cuda.is_available():
        assert "no CUDA" in refused(training(tmp_path, source, "--device", "cuda"))
    assert "expected cpu, cuda or cuda:N" in refused(training(tmp_path, source, "--device", "gpu"))


def test_a_base_that_is_not_there(tmp_path: Path, refused: Refuse) -> None:
    """A path that leads nowhere."""
    assert f"{tmp_path / 'gone'} does not exist" in refused(training(tmp_path, tmp_path / "gone"))


@pytest.mark.parametrize("command", ["finetune", "train-bundle"])
def test_a_folder_that_cannot_be_made(source: Path, tmp_path: Path, refused: Refuse, command: str) -> None:
    """Below a file, nothing can be made."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    arguments: list[str | Path] = [command, "none.jsonl", "--base", source, "--out", tmp_path / "file" / "o"]
    assert "cannot make" in refused(arguments)


def test_a_window_that_the_checkpoint_cannot_read(source: Path, tmp_path: Path, refused: Refuse) -> None:
    """Before its weights are loaded; the same for an overlap that leaves nothing."""
    assert "reads at most 126" in refused([source, tmp_path / "o", "--window", "127"])
    assert "overlap" in refused([source, tmp_path / "o", "--window", "20", "--overlap", "20"])


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (("PROBLEM", "TEST", "DRUG"), [], "--outside NAME"),
        (("O", "B", "I"), [], "--entity NAME"),
        (("LABEL_0", "LABEL_1", "LABEL_2"), [], "--labels O,B-DRUG"),
        (("O", "B-X", "I-X"), ["--labels", "O,B-X"], "--labels names 2 labels, and the model has 3"),
        (("O", "B-X", "I-X"), ["--outside", "NONE"], "'NONE' is not among"),
        (("O", "B-X", "I-X"), ["--rename", "Y=Z"], "cannot rename 'Y'"),
        (("O", "B-X", "B-X\n"), [], "not unique"),
    ],
    ids=["outside", "untyped", "unnamed", "too-few", "wrong-outside", "rename", "twice"],
)
def test_labels_that_cannot_be(
    tmp_path: Path, refused: Refuse, labels: tuple[str, ...], options: list[str], message: str
) -> None:
    """They stand in config.json, so they are judged before the weights are loaded."""
    import transformers

    source = tmp_path / "checkpoint"
    config = transformers.BertConfig(id2label=dict(enumerate(labels)), hidden_size=32, num_attention_heads=2)
    config.save_pretrained(source)
    assert message in refused([source, tmp_path / "o", *options])


def test_a_report_that_cannot_be_written(source: Path, tmp_path: Path, refused: Refuse) -> None:
    """A folder, or a place that is not there."""
    assert "it is a folder" in refused([source, tmp_path / "o", "--report", tmp_path])
    assert "no such folder" in refused([source, tmp_path / "o", "--report", tmp_path / "gone" / "r.html"])


def test_an_architecture_that_cannot_be_exported(tmp_path: Path, refused: Refuse) -> None:
    """Before its weights are loaded, and before a training whose model could not be exported."""
    import transformers

    transformers.LayoutLMConfig(id2label={0: "O", 1: "B-X", 2: "I-X"}).save_pretrained(tmp_path / "layout")
    assert "bbox" in refused([tmp_path / "layout", tmp_path / "o"])
    assert "bbox" in refused(training(tmp_path, tmp_path / "layout", command="train-bundle"))
