"""`clinspan classify` and `clinspan embed`: the library's answers from files, in their order, whatever happens."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.example_notes import EXAMPLES, NOTE
from tests.support.tiny import text_bundles

from clinspan import Classifier, Embedder
from clinspan.cli.main import main

TEXTS = [NOTE, "Fever.", "She has pneumonia.", NOTE * 4]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_bundles.classifier(tmp_path_factory.mktemp("c") / "b")


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_bundles.embedder(tmp_path_factory.mktemp("e") / "b")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.jsonl.gz"
    rows = [{"id": f"n{at}", "text": text, "other": "No fever."} for at, text in enumerate(TEXTS)]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_classify_writes_what_the_library_gives(classifier: Path, notes: Path, tmp_path: Path) -> None:
    """Labels, scores to six places, and which are chosen; pairs where a second field is named."""
    out = tmp_path / "out.jsonl"
    assert main(["classify", "--model", str(classifier), str(notes), "-f", "jsonl", "-o", str(out)]) == 0
    loaded = Classifier.load(classifier, threads=1)
    for row, text in zip(rows(out), TEXTS, strict=True):
        assert row["labels"] == [
            {"label": one.label, "score": round(one.score, 6), "chosen": one.chosen}
            for one in loaded.classify(text)
        ]
    pairs = ["--pair-field", "other", "-f", "jsonl", "--force", "-o", str(out), "--on-error", "skip"]
    # The last note is too long to be the first text of a pair.
    assert main(["classify", "--model", str(classifier), str(notes), *pairs]) == 1
    found = rows(out)
    assert [one["score"] for one in found[1]["labels"]] == [
        round(one.score, 6) for one in loaded.classify((TEXTS[1], "No fever."))
    ]
    assert "first text of the pair" in found[3]["error"]


def test_classify_shows_a_table_on_a_terminal(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the chosen label in the heading."""
    path = tmp_path / "a.txt"
    path.write_text("Fever.", encoding="utf-8")
    assert main(["classify", "--model", str(classifier), str(path)]) == 0
    best = Classifier.load(classifier, threads=1).classify("Fever.")[0]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"# {path}: {best.label}"
    assert lines[1] == f"{best.score:>9.4f}  * {best.label}"


def test_embed_writes_vectors_as_lines_or_as_an_array(embedder: Path, notes: Path, tmp_path: Path) -> None:
    """Both are the library's to the bit; the names of an array's rows stand beside it."""
    expected = Embedder.load(embedder, threads=1).embed(TEXTS, normalize=True)
    lines, array = tmp_path / "out.jsonl", tmp_path / "out.npy"
    common = ["embed", "--model", str(embedder), str(notes), "--normalize"]
    assert main([*common, "-o", str(lines)]) == 0
    assert np.array_equal(np.array([row["vector"] for row in rows(lines)], np.float32), expected)
    assert main([*common, "-f", "npy", "-o", str(array)]) == 0
    assert np.array_equal(np.load(array), expected)
    assert [row["id"] for row in rows(Path(f"{array}.ids.jsonl"))] == ["n0", "n1", "n2", "n3"]


def test_a_text_that_cannot_be_read_has_its_error_in_its_place(embedder: Path, tmp_path: Path) -> None:
    """A row of NaN in an array, an error in a line; the exit code says so, and nothing else is lost."""
    path, array = tmp_path / "a.jsonl", tmp_path / "out.npy"
    path.write_text('{"text": "Fever."}\n{"text": 3}\n{"text": "Cough."}\n', encoding="utf-8")
    common = ["embed", "--model", str(embedder), str(path)]
    assert main([*common, "-f", "npy", "-o", str(array), "--on-error", "skip"]) == 1
    assert np.isnan(np.load(array)).any(axis=1).tolist() == [False, True, False]
    assert "error" in rows(Path(f"{array}.ids.jsonl"))[1]
    assert main([*common, "-f", "npy", "-o", str(tmp_path / "none.npy")]) == 1
    assert not (tmp_path / "none.npy").exists()


@pytest.mark.parametrize("command", ["classify", "embed"])
def test_a_run_that_was_stopped_is_resumed(
    command: str, classifier: Path, embedder: Path, notes: Path, tmp_path: Path
) -> None:
    """Into the same bytes; other results are refused."""
    model = classifier if command == "classify" else embedder
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    common = [command, "--model", str(model), str(notes), "-f", "jsonl"]
    assert main([*common, "-o", str(whole)]) == 0
    part.write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:2]) + b'{"id": "n2"')
    assert main([*common, "--resume", "-o", str(part)]) == 0
    assert part.read_bytes() == whole.read_bytes()
    assert main([*common, "--resume", "--window", "9", "-o", str(part)]) == 1
    other = tmp_path / "other.txt"
    other.write_text("Fever.", encoding="utf-8")
    assert main([command, "--model", str(model), str(other), "-f", "jsonl", "--resume", "-o", str(part)]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ["missing.txt"],
        ["-f", "npy"],
        ["--resume"],
        ["--max-note-bytes", "0"],
        ["-o", "{note}"],
    ],
)
def test_options_that_contradict_each_other_are_refused(
    embedder: Path, tmp_path: Path, wrong: list[str]
) -> None:
    """Before a model is loaded, with exit code 2."""
    note = tmp_path / "a.txt"
    note.write_text("Fever.", encoding="utf-8")
    given = [option.format(note=note) for option in wrong]
    assert main(["embed", "--model", str(embedder), str(note), *given]) == 2


def test_info_knows_all_three_tasks(
    classifier: Path, embedder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says which it is."""
    tasks = []
    for model in ([], ["--model", str(classifier)], ["--model", str(embedder)]):
        assert main(["info", *model]) == 0
        tasks.append(json.loads(capsys.readouterr().out)["task"])
    assert tasks == ["token-classification", "text-classification", "feature-extraction"]


def test_a_model_of_another_task_is_refused(
    classifier: Path, embedder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the class that loads it; and the starter model finds entities."""
    note = str(EXAMPLES[0])
    assert main(["embed", "--model", str(classifier), note]) == 1
    assert "load it with Classifier.load" in capsys.readouterr().err
    assert main(["extract", "--model", str(embedder), note]) == 1
    assert main(["classify", note]) == 2
