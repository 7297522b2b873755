"""`clinspan classify` and `clinspan embed`: the library's answers from files, in their order, whatever happens."""

from __future__ import annotations

import gzip
import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.support.example_notes import EXAMPLES, NOTE
from tests.support.tiny import text_bundles

from clinspan import Classifier, Embedder
from clinspan.cli.main import main
from clinspan.engine import calls

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


def test_vectors_go_into_a_parquet_file(embedder: Path, tmp_path: Path) -> None:
    """A row a text, float32 lists of one length; a text that failed has none, and its error."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path, out = tmp_path / "a.jsonl", tmp_path / "out.parquet"
    path.write_text('{"text": "Fever."}\n{"text": 3}\n{"text": "Cough."}\n', encoding="utf-8")
    common = ["embed", "--model", str(embedder), str(path), "-f", "parquet", "-o", str(out)]
    assert main([*common, "--on-error", "skip"]) == 1
    found = parquet.read_table(out)
    kind = found.schema.field("vector").type
    assert (kind.list_size, str(kind.value_type)) == (4, "float")
    vectors = found.column("vector").to_pylist()
    assert vectors[1] is None
    expected = Embedder.load(embedder, threads=1).embed(["Fever.", "Cough."])
    assert np.array_equal(np.array([vectors[0], vectors[2]], np.float32), expected)
    assert [error is None for error in found.column("error").to_pylist()] == [True, False, True]


@pytest.mark.parametrize("command", ["classify", "embed"])
def test_a_run_that_was_stopped_is_resumed(
    command: str, classifier: Path, embedder: Path, notes: Path, tmp_path: Path
) -> None:
    """Into the same bytes, wherever it was stopped."""
    model = classifier if command == "classify" else embedder
    out = tmp_path / "out.jsonl"
    common = [command, "--model", str(model), str(notes), "-f", "jsonl", "-o", str(out)]
    assert main(common) == 0
    whole = out.read_bytes()
    for cut in (0, 5, len(whole) // 2, len(whole) - 1, len(whole)):
        out.write_bytes(whole[:cut])
        assert main([*common, "--resume"]) == 0
        assert out.read_bytes() == whole


CHANGES = {
    "window": (["--window", "9"], "another window"),
    "truncate": (["--truncate"], "another truncate"),
    "threshold": (["--threshold", "0.01"], "another threshold"),
    "format": (["-f", "huggingface"], "another format"),
    "pair": (["--pair-field", "text"], "another pair_field"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_resume_refuses_what_another_run_made(
    case: str, classifier: Path, notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other options, even where no score changes by them; the file stays as it is."""
    options, message = CHANGES[case]
    out = tmp_path / "out.jsonl"
    common = ["classify", "--model", str(classifier), str(notes), "-f", "jsonl", "-o", str(out)]
    assert main(common) == 0
    before = out.read_bytes()
    assert main([*common, "--resume", *options]) == 1
    assert message in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize("limit", ["100", "7"], ids=["read", "failed"])
@pytest.mark.parametrize("field", ["text", "other"])
def test_resume_refuses_another_text_of_a_pair(
    field: str, limit: str, classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both texts of each pair that is done are compared, of one that failed too."""
    row, out = {"id": "a", "text": "Fever.", "other": "No fever."}, tmp_path / "out.jsonl"
    source = tmp_path / "in.jsonl"
    common = ["classify", "--model", str(classifier), str(source), "-f", "jsonl", "--pair-field", "other"]
    common += ["--max-characters", limit, "--on-error", "skip"]
    source.write_text(json.dumps(row), encoding="utf-8")
    assert main([*common, "-o", str(out)]) == (limit == "7")
    source.write_text(json.dumps({**row, field: row[field] + " "}), encoding="utf-8")
    assert main([*common, "-o", str(out), "--resume"]) == 1
    assert "line 1: its note has another text now" in capsys.readouterr().err


def test_a_row_without_its_second_text_fails_alone(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a row, in a table without the column, and in a note without rows; the others have their labels."""
    source, note, table = tmp_path / "in.jsonl", tmp_path / "a.txt", tmp_path / "in.csv"
    source.write_text('{"text": "A", "b": "B"}\n{"text": "A"}\n{"text": "A", "b": "C"}\n', encoding="utf-8")
    note.write_text("Fever.", encoding="utf-8")
    table.write_text("text\nFever.\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    given = [str(source), str(note), str(table), "--pair-field", "b", "-f", "jsonl", "--on-error", "skip"]
    assert main(["classify", "--model", str(classifier), *given, "-o", str(out)]) == 1
    errors = [row.get("error", "") for row in rows(out)]
    assert [bool(error) for error in errors] == [False, True, False, True, True]
    assert "the field 'b' is missing" in errors[1]
    assert "a pair is a row with the field 'b' too" in errors[3]
    assert "names no column 'b': --pair-field" in errors[4]


def test_no_name_or_label_is_obeyed_by_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids of rows may hold what a terminal obeys; the table shows it, and lines of JSON escape it."""
    model = text_bundles.classifier(tmp_path / "b")
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"id": "a\x1b[2Jb\x9bc", "text": "Fever."}), encoding="utf-8")
    for form in ("table", "jsonl", "huggingface"):
        assert main(["classify", "--model", str(model), str(source), "-f", form]) == 0
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
        assert "\x9b" not in shown


def test_results_have_the_shape_of_the_pipeline(classifier: Path, tmp_path: Path) -> None:
    """All labels of a note, as transformers' text-classification gives them with top_k=None."""
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("Fever.", encoding="utf-8")
    given = [str(source), "-f", "huggingface", "-o", str(out)]
    assert main(["classify", "--model", str(classifier), *given]) == 0
    scores = Classifier.load(classifier, threads=1).classify("Fever.")
    assert rows(out)[0]["labels"] == [{"label": one.label, "score": one.score} for one in scores]


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


@pytest.mark.parametrize("command", ["classify", "embed"])
def test_a_text_that_takes_too_long_fails_alone(
    command: str, classifier: Path, embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the others have the answers of a run without a limit; resuming does not time them again."""
    source, out, whole = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "whole.jsonl"))
    texts = ["Fever.", NOTE * 40, "Cough."]
    source.write_text("\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8")
    model = str(classifier if command == "classify" else embedder)
    common = [command, "--model", model, str(source), "-f", "jsonl", "--on-error", "skip"]
    assert main([*common, "-o", str(whole)]) == 0
    monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=count().__next__))  # a second at each look
    timed = [*common, "--timeout", "20", "-o", str(out)]
    assert main(timed) == 1
    found, expected = rows(out), rows(whole)
    assert "the timeout of 20 s passed" in found[1]["error"]
    assert (found[0], found[2]) == (expected[0], expected[2])
    before = out.read_bytes()
    out.write_bytes(before[:-5])
    monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=count(step=9).__next__))
    assert main([*timed, "--resume"]) == 1
    assert out.read_bytes()[:-1].count(b"\n") == 2
    assert main([*common, "--timeout", "0", "--force", "-o", str(out)]) == 2
