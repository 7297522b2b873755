"""Kind A: what nobody annotated is never read as "annotated, nothing there"; fields of other tools are read or named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clinspan.documents.annotated import read_annotated
from clinspan.documents.document import Document, Entity
from clinspan.documents.reading import ReadingRules, what_was_left_out
from clinspan.errors import InputError

TEXT = "Gave heparin for a clot."
DRUG, PROBLEM = Entity(5, 12, "DRUG"), Entity(19, 23, "PROBLEM")
TWO = [[5, 12, "DRUG"], [19, 23, "PROBLEM"]]


def rows(folder: Path, *lines: object, name: str = "gold.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return path


def tolerant() -> ReadingRules:
    """As the commands read."""
    return ReadingRules(unannotated="leave-out")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"label": TWO}, id="doccano-label"),
        pytest.param({"labels": TWO}, id="doccano-labels"),
        pytest.param(
            {
                "entities": [
                    {"id": 1, "label": "DRUG", "start_offset": 5, "end_offset": 12},
                    {"id": 2, "label": "PROBLEM", "start_offset": 19, "end_offset": 23},
                ],
                "relations": [],
            },
            id="doccano-entities",
        ),
        pytest.param(
            {
                "tokens": [{"text": "Gave", "start": 0, "end": 4, "id": 0}],
                "spans": [
                    {"start": 5, "end": 12, "token_start": 1, "token_end": 1, "label": "DRUG"},
                    {"start": 19, "end": 23, "label": "PROBLEM"},
                ],
                "answer": "accept",
            },
            id="prodigy",
        ),
        pytest.param(
            {
                "ents": [
                    {"start": 5, "end": 12, "label": "DRUG"},
                    {"start": 19, "end": 23, "label": "PROBLEM"},
                ]
            },
            id="spacy",
        ),
        pytest.param({"entities": TWO, "label": "discharge note"}, id="class-of-the-note"),
    ],
)
def test_fields_of_other_tools_are_annotations(tmp_path: Path, fields: dict[str, Any]) -> None:
    """doccano, Prodigy and spaCy say the same under other names."""
    (document,) = read_annotated(rows(tmp_path, {"text": TEXT, **fields}))
    assert document.entities == (DRUG, PROBLEM)


def test_training_data_of_spacy_is_read(tmp_path: Path) -> None:
    """A JSON array of pairs: the text, and an object with its entities."""
    path = tmp_path / "train.json"
    path.write_text(json.dumps([[TEXT, {"entities": TWO}], [TEXT, {"entities": []}]]), "utf-8")
    assert [len(d.entities) for d in read_annotated(path)] == [2, 0]


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT},
        {"text": TEXT, "entities": None},
        {"text": TEXT, "label": "discharge note", "meta": {"ward": 3}},
        {"text": TEXT, "labels": ["DRUG"]},
        {"text_snippet": {"content": TEXT}},
        {"textContent": TEXT},
        {"tokens": TEXT.split()},
    ],
    ids=["text-alone", "null", "class-alone", "labels-alone", "automl", "vertex", "tokens"],
)
def test_a_line_without_annotations_is_refused_or_counted(tmp_path: Path, row: dict[str, Any]) -> None:
    """A missing field means that nobody looked; an empty list means that nothing is there."""
    path = rows(tmp_path, {"text": TEXT, "entities": []}, row)
    with pytest.raises(InputError, match=r"line 2: it has no"):
        list(read_annotated(path))
    rules = tolerant()
    assert [d.entities for d in read_annotated(path, rules=rules)] == [()]
    assert what_was_left_out(rules.left_out) == "left out 1 document without annotations"


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "annotations": [{"from": 5, "to": 12}]},
        {"text": TEXT, "denotations": [{"span": {"begin": 5}}]},
        {"data": {"text": TEXT}, "annotations": [{"result": []}]},
        {"text": TEXT, "spans": TWO, "entities": TWO[:1]},
    ],
    ids=["annotations", "pubannotation", "label-studio", "two-fields"],
)
def test_annotations_of_an_unknown_form_are_refused(tmp_path: Path, row: dict[str, Any]) -> None:
    """Neither passed over nor guessed at, whatever the rules."""
    with pytest.raises(InputError, match="line 1"):
        list(read_annotated(rows(tmp_path, row), rules=tolerant()))


def test_answers_that_annotators_rejected_are_left_out(tmp_path: Path) -> None:
    """Prodigy writes them with the others."""
    rules = tolerant()
    path = rows(
        tmp_path,
        *({"text": TEXT, "spans": [], "answer": answer} for answer in ("accept", "reject", "ignore")),
    )
    assert len(list(read_annotated(path, rules=rules))) == 1
    assert rules.left_out["rejected"] == 2


def test_a_file_of_which_nothing_is_annotated_is_refused(tmp_path: Path) -> None:
    """Left out to the last document, it cannot be scored against."""
    with pytest.raises(InputError, match="no annotated document, left out 2 documents"):
        list(read_annotated(rows(tmp_path, {"text": TEXT}, {"text": "x"}), rules=tolerant()))


def standoff(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8", newline="")
    return folder


LINE = "T1\tDRUG 5 12\theparin\n"


@pytest.mark.parametrize("name", ["a_ANN", "a_a1", "a_A1", "a_Ann"])
def test_standoff_is_found_under_other_suffixes(tmp_path: Path, name: str) -> None:
    """Upper case, and the entities of the BioNLP shared tasks."""
    (document,) = read_annotated(standoff(tmp_path, a_txt=TEXT, **{name: LINE}))
    assert document.entities == (DRUG,)


def test_standoff_in_folders_and_of_upper_case_texts_is_found(tmp_path: Path) -> None:
    """A collection of collections, as brat keeps them; hidden files of other programs aside."""
    folder = standoff(tmp_path, a_txt=TEXT, a_ann="", sub__b_TXT=TEXT, sub__b_ann=LINE, sub__sub__c_txt=TEXT,
                      sub__sub__c_ann=LINE, _b_txt="x")  # fmt: skip
    assert [(d.id, len(d.entities)) for d in read_annotated(folder)] == [
        ("a", 0),
        ("sub/b", 1),
        ("sub/sub/c", 1),
    ]


def test_a_readme_among_the_texts_is_refused_or_counted(tmp_path: Path) -> None:
    """A text without .ann was not annotated; an empty .ann says that nothing is there."""
    folder = standoff(tmp_path, README_txt="About heparin.", a_txt=TEXT, a_ann=LINE, b_txt=TEXT, b_ann="")
    with pytest.raises(InputError, match=r"there is no README\.ann beside it"):
        list(read_annotated(folder))
    rules = tolerant()
    assert [d.id for d in read_annotated(folder, rules=rules)] == ["a", "b"]
    assert rules.left_out["unannotated"] == 1


def test_two_annotation_files_of_one_text_are_refused(tmp_path: Path) -> None:
    """Which one is meant cannot be told."""
    with pytest.raises(InputError, match="a second file for a, keep one"):
        list(read_annotated(standoff(tmp_path, a_txt=TEXT, a_ann=LINE, a_a1=LINE)))


def test_a_document_is_the_same_under_all_rules(tmp_path: Path) -> None:
    """Rules change what is refused and left out, never what is plain."""
    path = rows(tmp_path, {"id": 7, "text": TEXT, "entities": [{"start": 5, "end": 12, "label": "DRUG"}]})
    strict, lenient = list(read_annotated(path)), list(read_annotated(path, rules=tolerant()))
    assert strict == lenient == [Document("7", TEXT, (DRUG,))]
