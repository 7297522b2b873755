"""Texts with labels are read from our own JSONL, AutoML's, and tables, plain or packed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from clinspan.documents.labelled import LabelledText, read_labelled
from clinspan.errors import InputError

ONE = LabelledText("a", "Fever, since Monday.", frozenset({"fever"}))
MANY = LabelledText("2", ("Cough?", "No cough."), frozenset({"cough", "denied"}))


def test_jsonl_holds_one_label_or_several_and_one_text_or_two(tmp_path: Path) -> None:
    """A text without an id is named by its line."""
    path = tmp_path / "a.jsonl"
    rows = [
        {"id": "a", "text": ONE.text, "label": "fever"},
        {"text": "Cough?", "text_pair": "No cough.", "labels": ["cough", "denied"]},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert list(read_labelled(path)) == [ONE, MANY]


def test_another_field_may_hold_the_labels(tmp_path: Path) -> None:
    """As where a corpus has labels of several kinds."""
    path = tmp_path / "a.jsonl"
    path.write_text(
        json.dumps({"id": "a", "text": ONE.text, "labels": [], "chapter": ["fever"]}), encoding="utf-8"
    )
    assert list(read_labelled(path, label_field="chapter")) == [ONE]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t"), ("a.csv.gz", ",")])
def test_a_table_names_its_columns_in_the_first_line(tmp_path: Path, name: str, delimiter: str) -> None:
    """Several labels stand in one cell, parted by a bar."""
    lines = [
        ("id", "text", "labels"),
        ("a", '"Fever, since Monday."', "fever"),
        ("b", "Well.", ""),
        ("c", "x", "p|q"),
    ]
    content = "\r\n".join(delimiter.join(line) for line in lines).encode("utf-8")
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert list(read_labelled(tmp_path / name)) == [
        ONE,
        LabelledText("b", "Well.", frozenset()),
        LabelledText("c", "x", frozenset({"p", "q"})),
    ]


def test_automl_rows_are_read_too(tmp_path: Path) -> None:
    """With one annotation or with several."""
    path = tmp_path / "a.jsonl"
    rows = [
        {"textContent": "a", "classificationAnnotation": {"displayName": "x"}},
        {"textContent": "b", "classificationAnnotations": [{"displayName": "x"}, {"displayName": "y"}]},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert [one.labels for one in read_labelled(path)] == [{"x"}, {"x", "y"}]


def test_an_error_names_the_line(tmp_path: Path) -> None:
    """And what was expected there."""
    path = tmp_path / "a.csv"
    path.write_text("text,label\nFever,a\nCough\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: it has more or fewer cells than the first line"):
        list(read_labelled(path))
