"""The starter's notes: marks become entities, texts are those that were annotated, and pieces lose nothing."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path

import pytest

from clinspan_export.starter.notes import PARTS, annotated_notes, pieces, renamed, written_notes
from clinspan_export.starter.sources import LABELS
from clinspan_export.starter.synthetic import rules

ANNOTATIONS = Path(__file__).parents[2] / "data/note_annotations.jsonl"


def test_marks_become_entities(tmp_path: Path) -> None:
    """A mark's letter is its label, its words its span; the braces are gone."""
    path = tmp_path / "notes.txt"
    path.write_text("### a\nOn {D aspirin} {S 81 mg}.\n### b\nWell.\n", "utf-8")
    first, second = written_notes(path)
    assert (first.text, second.text) == ("On aspirin 81 mg.", "Well.")
    assert [(e.label, first.text[e.start : e.end]) for e in first.entities] == [
        ("DRUG", "aspirin"),
        ("STRENGTH", "81 mg"),
    ]


@pytest.mark.parametrize("marked", ["On {Z aspirin}.", "On {D aspirin.", "On aspirin}."])
def test_a_mark_that_is_none_is_an_error(tmp_path: Path, marked: str) -> None:
    """A letter without a label or half a mark stops, and the message has the note's name and none of its text."""
    path = tmp_path / "notes.txt"
    path.write_text(f"### a\n{marked}\n", "utf-8")
    with pytest.raises(ValueError, match="written note a") as caught:
        written_notes(path)
    assert "aspirin" not in str(caught.value)


def test_the_written_notes_hold_all_labels() -> None:
    """Every label is there, in notes of several kinds, without whitespace at an edge."""
    notes = written_notes()
    assert len({note.id for note in notes}) == len(notes) >= 15
    assert {entity.label for note in notes for entity in note.entities} == set(LABELS)
    for note in notes:
        for entity in note.entities:
            words = note.text[entity.start : entity.end]
            assert words == words.strip(), (note.id, words)


def test_pieces_hold_all_text_and_every_entity() -> None:
    """Pieces in order are the note again, and each entity lies whole in one of them."""
    for note in written_notes():
        cut = list(pieces(note, random.Random(3)))
        assert "".join(piece.text for piece in cut) == note.text
        assert [(e.label, piece.text[e.start : e.end]) for piece in cut for e in piece.entities] == [
            (e.label, note.text[e.start : e.end]) for e in note.entities
        ]


def test_other_drugs_stand_where_the_old_ones_stood() -> None:
    """With every drug renamed, the other entities and the rest of the text are as before."""
    for note in written_notes():
        other = renamed(note, ["qwertamab"], random.Random(0), share=1)
        assert {other.text[e.start : e.end] for e in other.entities if e.label == "DRUG"} <= {"qwertamab"}
        assert [(e.label, other.text[e.start : e.end]) for e in other.entities if e.label != "DRUG"] == [
            (e.label, note.text[e.start : e.end]) for e in note.entities if e.label != "DRUG"
        ]


def test_annotations_hold_no_text_and_each_note_once() -> None:
    """Rows have an id, a hash, a part and offsets in order; no note is in two parts."""
    rows = [json.loads(line) for line in ANNOTATIONS.read_text("utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) >= 80
    assert {row["part"] for row in rows} == set(PARTS)
    for row in rows:
        assert set(row) == {"id", "sha256", "part", "entities"}
        end = 0
        for start, stop, label in row["entities"]:
            assert end <= start < stop
            assert label in LABELS
            end = stop


def test_annotations_fit_their_texts(tmp_path: Path) -> None:
    """Another text under a note's id is refused."""
    folder = tmp_path / "notes_unlabelled"
    folder.mkdir()
    for source in ("aci_bench", "mts_dialog", "primock57"):
        (folder / f"{source}.jsonl").write_text(
            json.dumps({"id": source, "text": "Has a cough."}) + "\n", "utf-8"
        )
    digest = hashlib.sha256(b"Has a cough.").hexdigest()[:16]
    row = {"id": "primock57", "sha256": digest, "part": "development", "entities": [[6, 11, "PROBLEM"]]}
    path = tmp_path / "annotations.jsonl"
    path.write_text(json.dumps(row) + "\n", "utf-8")
    (note,) = annotated_notes(tmp_path, path, "development")
    assert note.text[note.entities[0].start : note.entities[0].end] == "cough"
    assert annotated_notes(tmp_path, path, "kept aside") == []
    path.write_text(json.dumps({**row, "sha256": "0" * 16}) + "\n", "utf-8")
    with pytest.raises(ValueError, match="primock57"):
        annotated_notes(tmp_path, path, "development")


def test_enough_abbreviations_are_known() -> None:
    """At least 60 problems, 40 tests, 30 drugs and 30 procedures."""
    for name, least in {"problem": 60, "test": 40, "drug": 30, "treatment": 30}.items():
        assert len(set(rules()[f"abbr_{name}"])) >= least


@pytest.mark.skipif("CLINSPAN_CORPORA" not in os.environ, reason="CLINSPAN_CORPORA is not set")
def test_edges_of_annotations_lie_between_words() -> None:
    """No annotated edge cuts a word of letters, and none has whitespace inside its edge."""
    corpora = Path(os.environ["CLINSPAN_CORPORA"])
    for part in PARTS:
        for note in annotated_notes(corpora, ANNOTATIONS, part):
            for entity in note.entities:
                words = note.text[entity.start : entity.end]
                assert words == words.strip()
                assert not (note.text[entity.start - 1 : entity.start].isalpha() and words[0].isalpha()), (
                    note.id
                )
                assert not (note.text[entity.end : entity.end + 1].isalpha() and words[-1].isalpha()), note.id
