"""No output takes with it what was there: inputs never, other people's folders never, clinspan's own only when asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import tiny_checkpoints

from clinspan.errors import ClinspanError
from clinspan_export import exporter
from clinspan_export.cli.main import main
from clinspan_export.errors import ExportError
from clinspan_export.train.plan_checks import STATE, check_checkpoint_folder

pytestmark = pytest.mark.export


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tiny_checkpoints.save(tmp_path / "models" / "checkpoint")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "out", ["models/checkpoint", "models", ".", "models/checkpoint/../../models", "link"]
)
@pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
def test_an_output_that_is_or_holds_the_checkpoint_is_refused(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    out: str,
    force: list[str],
) -> None:
    """By its name, by the folder above it, by `.` and by a link; with --force too."""
    (tmp_path / "link").symlink_to(source)
    (source.parent / "clinspan.json").write_text("{}", encoding="utf-8")  # as if clinspan had made the folder
    monkeypatch.chdir(tmp_path)
    before = content(tmp_path)
    assert main(["models/checkpoint", out, *force]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "choose another" in line
    assert content(tmp_path) == before


def test_an_output_that_holds_the_notes_is_refused(source: Path, tmp_path: Path) -> None:
    """The notes to compare on are an input too."""
    notes = tmp_path / "ward" / "notes"
    notes.mkdir(parents=True)
    (notes / "a.txt").write_text("Chest pain.", encoding="utf-8")
    (tmp_path / "ward" / "clinspan.json").write_text("{}", encoding="utf-8")
    assert main([str(source), str(tmp_path / "ward"), "--notes", str(notes), "--force"]) == 1
    assert (notes / "a.txt").read_text(encoding="utf-8") == "Chest pain."


def test_force_replaces_only_what_clinspan_made(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without a manifest is somebody else's; an empty one, and a bundle, may go."""
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("1", encoding="utf-8")
    assert main([str(source), str(other), "--force", "--precision=fp32"]) == 1
    assert "--force replaces only what clinspan made" in capsys.readouterr().err
    assert content(other) == {"chapter.txt": b"1"}
    (tmp_path / "empty").mkdir()
    for _ in range(2):
        assert main([str(source), str(tmp_path / "empty"), "--force", "--precision=fp32"]) == 0


def test_a_failed_run_leaves_the_old_bundle(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong while the new one is made."""
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32"]) == 0
    before = content(tmp_path / "out")

    def fail(*_: object, **__: object) -> None:
        raise ExportError("no")

    monkeypatch.setattr(exporter, "judge", fail)
    assert main([str(source), str(tmp_path / "out"), "--precision=fp32", "--force"]) == 1
    assert content(tmp_path / "out") == before


def test_finetune_leaves_a_checkpoint_alone(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unasked, resumed or not; the same for anything else that is there."""
    data = tmp_path / "train.jsonl"
    data.write_text(
        '{"text": "aspirin", "entities": [{"label": "DRUG", "start": 0, "end": 7}]}', encoding="utf-8"
    )
    before = content(source)
    for extra in ([], ["--resume"]):
        assert main(["finetune", str(data), "--base", str(source), "--out", str(source.parent), *extra]) == 1
        assert main(["finetune", str(data), "--base", str(source), "--out", str(source), *extra]) == 1
    assert content(source) == before
    assert all("choose another folder" in line for line in capsys.readouterr().err.splitlines())


def test_a_stopped_training_goes_on_only_when_asked(tmp_path: Path) -> None:
    """Its state tells the folder; an empty one is free."""
    check_checkpoint_folder(tmp_path / "new", [], resume=False)
    (tmp_path / "empty").mkdir()
    check_checkpoint_folder(tmp_path / "empty", [], resume=False)
    (tmp_path / "empty" / STATE).write_bytes(b"")
    check_checkpoint_folder(tmp_path / "empty", [], resume=True)
    with pytest.raises(ClinspanError, match="--resume goes on with it"):
        check_checkpoint_folder(tmp_path / "empty", [], resume=False)


def test_train_bundle_refuses_the_same_places(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a document is read."""
    options = ["--base", str(source), "--force"]
    assert main(["train-bundle", str(tmp_path / "none.jsonl"), *options, "--out", str(source.parent)]) == 1
    assert "choose another folder" in capsys.readouterr().err
    assert [path.name for path in source.parent.iterdir()] == ["checkpoint"]
