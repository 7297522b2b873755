"""BRAT, CoNLL and our own JSONL, and telling one from the other."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from clinspan.documents.annotated import read_annotated
from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import brat, conll
from clinspan.documents.formats import jsonl as own
from clinspan.errors import InputError

NOTE = Document("n1", "Take aspirin\n81 mg daily.", (Entity(5, 12, "DRUG"), Entity(13, 18, "STRENGTH")))


def test_own_round_trip(tmp_path: Path) -> None:
    """Our JSONL keeps id, text, entities and the labels that were looked for."""
    documents = [NOTE, Document("n2", "Nothing.", (), frozenset({"DRUG"}))]
    stream = io.StringIO()
    own.write(documents, stream)
    path = tmp_path / "data.jsonl"
    path.write_text(stream.getvalue(), "utf-8")
    assert list(read_annotated(path)) == documents


def test_brat_round_trip(tmp_path: Path) -> None:
    """Standoff keeps every character, an annotation over a line end included."""
    documents = [
        Document("a", "Take low\r\ndose aspirin", (Entity(5, 22, "DRUG"),)),
        Document("b", "Café", ()),
    ]
    brat.write(documents, tmp_path)
    assert list(read_annotated(tmp_path)) == documents


def test_brat_passes_over_what_is_no_entity(tmp_path: Path) -> None:
    """Relations, attributes and notes are passed over, entities among them are read."""
    (tmp_path / "a.txt").write_text("Take aspirin daily", "utf-8")
    (tmp_path / "a.ann").write_text(
        "T1\tDRUG 5 12\taspirin\nR1\tGiven Arg1:T1 Arg2:T2\n#1\tAnnotatorNotes T1\tsure\nT2\tFREQUENCY 13 18\tdaily\n"
    )
    (document,) = brat.read(tmp_path)
    assert document.entities == (Entity(5, 12, "DRUG"), Entity(13, 18, "FREQUENCY"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("T1\tDRUG 0 4;13 18\tTake daily", "discontinuous", id="discontinuous"),
        pytest.param("T1\tDRUG 5 11\taspirin", "does not quote its text", id="wrong-quote"),
        pytest.param("T1 DRUG 5 12 aspirin", "expected ID, a tab", id="no-tabs"),
    ],
)
def test_brat_error_names_the_line(tmp_path: Path, line: str, message: str) -> None:
    """A broken annotation is refused with its file and line, without its text."""
    (tmp_path / "a.txt").write_text("Take aspirin daily", "utf-8")
    (tmp_path / "a.ann").write_text(f"#1\tnote\n{line}\n", "utf-8")
    with pytest.raises(InputError, match=message) as error:
        list(brat.read(tmp_path))
    assert "a.ann, line 2" in str(error.value)
    assert "aspirin" not in str(error.value)


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(("O", "B-DRUG", "I-DRUG", "B-DRUG", "O"), id="BIO"),
        pytest.param(("O", "I-DRUG", "I-DRUG", "B-DRUG", "O"), id="IOB"),
        pytest.param(("O", "B-DRUG", "L-DRUG", "U-DRUG", "O"), id="BILOU"),
        pytest.param(("O", "B-DRUG", "E-DRUG", "S-DRUG", "O"), id="BIOES"),
    ],
)
def test_conll_tags(tmp_path: Path, tags: tuple[str, ...]) -> None:
    """All four tag schemes give the same entities."""
    path = tmp_path / "data.conll"
    words = ("Take", "fish", "oil", "aspirin", "now")
    path.write_text("".join(f"{word} x {tag}\n" for word, tag in zip(words, tags, strict=True)), "utf-8")
    (document,) = read_annotated(path)
    assert [document.text[e.start : e.end] for e in document.entities] == ["fish oil", "aspirin"]


def test_conll_round_trip(tmp_path: Path) -> None:
    """Documents and sentences stay apart; entities come back with the same words."""
    stream = io.StringIO()
    conll.write([NOTE, Document("n2", "Stop aspirin", (Entity(5, 12, "DRUG"),))], stream)
    path = tmp_path / "data.conll"
    path.write_text(stream.getvalue(), "utf-8")
    first, second = conll.read(path)
    assert first.text == "Take aspirin\n81 mg daily .\n"
    assert [(e.label, first.text[e.start : e.end]) for e in first.entities] == [
        ("DRUG", "aspirin"),
        ("STRENGTH", "81 mg"),
    ]
    assert [second.text[e.start : e.end] for e in second.entities] == ["aspirin"]


def test_unknown_kind_of_file(tmp_path: Path) -> None:
    """A file whose name says nothing is refused with what to do."""
    path = tmp_path / "data.bin"
    path.write_bytes(b"x")
    with pytest.raises(InputError, match="name the format"):
        read_annotated(path)
