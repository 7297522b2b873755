"""Kinds A, H, N, U and V: what is wrong with training data is said before the first epoch, all of it at once."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from clinspan.errors import InputError
from clinspan_export.checkpoint import loses_case
from clinspan_export.cli.main import main
from clinspan_export.train.check import check

TEXT = "Gave heparin 500mg for a clot."
Spans = list[tuple[int, int, str]]


def rows(folder: Path, *notes: tuple[str, Spans | None], name: str = "train.jsonl") -> Path:
    lines = []
    for text, spans in notes:
        row: dict[str, object] = {"text": text}
        if spans is not None:
            row["entities"] = [{"start": a, "end": b, "label": label} for a, b, label in spans]
        lines.append(json.dumps(row) + "\n")
    path = folder / name
    path.write_text("".join(lines), "utf-8")
    return path


@pytest.mark.parametrize(
    ("spans", "warning"),
    [
        ([(5, 13, "DRUG")], "annotation 5 to 13 (DRUG) has whitespace at an end"),
        ([(4, 12, "DRUG")], "annotation 4 to 12 (DRUG) has whitespace at an end"),
        ([(5, 11, "DRUG")], "annotation 5 to 11 (DRUG) has an edge inside a word"),
        (
            [(13, 16, "DOSE"), (16, 18, "UNIT")],
            "annotation 16 to 18 (UNIT) has a word in common with another",
        ),
        ([(5, 12, "DRUG"), (25, 29, "Drug")], "labels 'DRUG', 'Drug' differ in case or whitespace alone"),
        (
            [(5, 12, "DRUG"), (25, 29, "DRUG\n")],
            r"labels 'DRUG', 'DRUG\n' differ in case or whitespace alone",
        ),
    ],
    ids=["end", "start", "inside", "two-in-one", "case", "line-end-in-label"],
)
def test_what_cannot_be_learned_is_a_warning(tmp_path: Path, spans: Spans, warning: str) -> None:
    """With the document and the place, and without its words."""
    findings = check(rows(tmp_path, (TEXT, spans)))
    assert findings.errors == ()
    assert any(warning in one for one in findings.warnings)
    assert not any("heparin" in one for one in findings.warnings)


def test_many_warnings_of_a_kind_are_counted(tmp_path: Path) -> None:
    """Twenty are named, so that the others kinds stay in sight."""
    findings = check(rows(tmp_path, *((f"{TEXT} {n}", [(5, 11, "DRUG")]) for n in range(25))))
    assert sum("has an edge inside a word" in one for one in findings.warnings) == 20
    assert any("5 more annotations have an edge inside a word" in one for one in findings.warnings)


def test_all_bad_files_and_lines_are_listed(tmp_path: Path) -> None:
    """Checking goes on after a bad line, a bad file and a missing one."""
    for name, lines in {
        "a": "T1\tDRUG 3 12\theparin\nT2\tDRUG 5 12\theparin\nT3 x\n",
        "b": "T1\tX 0 4;13 18\tGave 500mg\n",
    }.items():
        (tmp_path / f"{name}.txt").write_text(TEXT, "utf-8")
        (tmp_path / f"{name}.ann").write_text(lines, "utf-8")
    (tmp_path / "c.ann").write_text("", "utf-8")
    (tmp_path / "README.txt").write_text("About.", "utf-8")
    findings = check(tmp_path)
    places = [error.removeprefix(f"{tmp_path}/").partition(":")[0] for error in findings.errors]
    assert places == ["c.ann", "a.ann, line 1", "a.ann, line 3", "b.ann, line 1"]
    assert f"{tmp_path}: left out 1 document without annotations" in findings.warnings


@pytest.mark.parametrize(
    "change", [str, str.upper, lambda text: text.replace(" ", "\n  ")], ids=["same", "case", "wrapped"]
)
def test_a_document_in_both_parts_is_a_warning(tmp_path: Path, change: object) -> None:
    """Whitespace and case aside: a note that was wrapped again is the same note."""
    assert callable(change)
    train = rows(tmp_path, (TEXT, [(5, 12, "DRUG")]), ("Other.", []))
    dev = rows(tmp_path, (change(TEXT), []), ("New.", [(0, 3, "DRUG")]), name="dev.jsonl")
    findings = check(train, development=dev)
    assert any(
        f"1 of 2 documents of {dev} are among the training documents too" in one for one in findings.warnings
    )


def test_repeated_documents_of_one_part_are_a_warning(tmp_path: Path) -> None:
    """They weigh more than they should."""
    findings = check(rows(tmp_path, (TEXT, [(5, 12, "DRUG")]), (TEXT, []), ("Other.", [])))
    assert any("1 documents repeat the text of another" in one for one in findings.warnings)


@pytest.mark.parametrize(
    ("dev", "message"),
    [
        ([(TEXT, None)], "no annotated document, left out 1 document without annotations"),
        ([(TEXT, [])], "no annotation in any document, so that no epoch could be better"),
        ([(TEXT, [(5, 12, "Drug")])], "labels that training has not: Drug"),
    ],
    ids=["unannotated", "empty", "other-labels"],
)
def test_development_documents_that_cannot_select_are_refused_before_training(
    tmp_path: Path, dev: list[tuple[str, Spans | None]], message: str
) -> None:
    """Every epoch would score 0.000, and the first be kept."""
    from clinspan.documents.reading import ReadingRules
    from clinspan_export.train.data import read_training

    train = rows(tmp_path, (TEXT, [(5, 12, "DRUG")]))
    selection = rows(tmp_path, *dev, name="dev.jsonl")
    rules = ReadingRules(unannotated="leave-out")
    with pytest.raises(InputError, match=message):
        read_training(str(train), str(selection), None, rules, lambda _: None)


def test_warnings_come_before_training(tmp_path: Path) -> None:
    """Left-out documents, odd annotations and documents in both parts, a line each."""
    from clinspan.documents.reading import ReadingRules
    from clinspan_export.train.data import read_training

    train = rows(tmp_path, (TEXT, [(5, 11, "DRUG")]), ("Other.", None))
    said: list[str] = []
    data = read_training(str(train), str(train), None, ReadingRules(unannotated="leave-out"), said.append)
    assert len(data.train) == 1
    assert f"warning: {train}: left out 1 document without annotations" in said
    assert "warning: in the training documents, 1 annotation has an edge inside a word" in said
    assert any(f"1 of 1 documents of {train} are among the training documents too" in line for line in said)


@pytest.mark.export
@pytest.mark.parametrize(
    ("words", "lowers", "expected"),
    [
        (["Aspirin", "Pain", "a", "p"], True, True),
        (["Aspirin", "Pain", "a", "p"], False, False),
        (["aspirin", "a"], True, False),
    ],
    ids=["cased-lowered", "cased-kept", "uncased"],
)
def test_a_cased_vocabulary_that_is_lowered_is_noticed(
    tmp_path: Path, words: list[str], lowers: bool, expected: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """By what the tokenizer does to a letter, whether its settings come from vocab.txt or from tokenizer.json."""
    transformers = pytest.importorskip("transformers")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    bert = transformers.BertTokenizerFast(str(tmp_path / "vocab.txt"), do_lower_case=lowers)
    plain = transformers.PreTrainedTokenizerFast(tokenizer_object=bert.backend_tokenizer)
    assert (loses_case(bert), loses_case(plain)) == (expected, expected)
    bert.save_pretrained(tmp_path / "base")
    (tmp_path / "base" / "config.json").write_text('{"model_type": "bert"}', "utf-8")
    data = rows(tmp_path, (TEXT, [(5, 12, "DRUG")]))
    capsys.readouterr()
    assert main(["check", str(data), "--base", str(tmp_path / "base")]) == 0
    assert ("lowers case, and its vocabulary is cased" in capsys.readouterr().out) is expected


@pytest.mark.parametrize("label", ["药物", "DRUG\ud800"], ids=["script", "surrogate"])
def test_findings_are_written_whatever_the_output_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    """A label in another script is written in UTF-8, as `clinspan evaluate` writes it."""
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["check", str(rows(tmp_path, (TEXT, [(5, 12, label)])))]) == 0
    assert isinstance(stream.buffer, io.BytesIO)
    assert f"label {label[:2]}" in stream.buffer.getvalue().decode("utf-8")


@pytest.mark.export
def test_training_says_before_its_first_epoch_that_case_is_lost(tmp_path: Path) -> None:
    """A base with vocab.txt alone lowers case by default; hours later is too late to hear of it."""
    transformers = pytest.importorskip("transformers")
    from clinspan.documents.document import Document, Entity
    from clinspan_export.train.finetune import finetune
    from clinspan_export.train.settings import TrainingSettings

    base = tmp_path / "base"
    config = transformers.BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16,
        max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(base)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Gave", "heparin", "Heparin"]
    (base / "vocab.txt").write_text("\n".join(words), "utf-8")
    said: list[str] = []
    note = Document("1", "Gave heparin", (Entity(5, 12, "DRUG"),))
    finetune(
        [note], {}, base, tmp_path / "out", labels=["DRUG"], settings=TrainingSettings(epochs=1, window=32),
        progress=said.append,
    )  # fmt: skip
    assert "lowers case, and its vocabulary is cased" in said[0]
    assert any(line.startswith("epoch 1") for line in said[1:])
