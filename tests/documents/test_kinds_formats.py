"""Kinds T and W: gold under the names that notes may have, and the forms of other tools; PubTator and BioC."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from clinspan.documents.annotated import read_annotated
from clinspan.documents.document import Document, Entity
from clinspan.documents.reading import ReadingRules
from clinspan.errors import InputError

TEXT = "Gave heparin"
ROW = json.dumps({"text": TEXT, "entities": [{"start": 5, "end": 12, "label": "DRUG"}]}) + "\n"
CONLL = "Gave O\nheparin B-DRUG\n"
PUBTATOR = "7|t|Gave heparin\n7|a|No pain.\n7\t5\t12\theparin\tDRUG\tD006493\n7\tCID\tD006493\tD010146\n\n"
XML = (
    '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE collection SYSTEM "BioC.dtd"><collection><source/><date/><key/>'
    "<document><id>7</id><passage><offset>0</offset><text>Gave heparin</text>"
    '<annotation id="1"><infon key="type">DRUG</infon><location offset="5" length="7"/><text>heparin</text></annotation>'
    "</passage></document></collection>"
)
BIOC = {
    "documents": [
        {
            "id": "7",
            "passages": [
                {
                    "offset": 0,
                    "text": TEXT,
                    "annotations": [
                        {
                            "text": "heparin",
                            "infons": {"type": "DRUG"},
                            "locations": [{"offset": 5, "length": 7}],
                        }
                    ],
                }
            ],
        }
    ]
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gold.ndjson", ROW), ("gold.JSONL", ROW), ("gold.Ndjson", ROW), ("gold.json", ROW), ("gold.txt", ROW),
        ("gold.CONLL", CONLL), ("gold.Tsv", CONLL.replace(" ", "\t")), ("train.txt", CONLL), ("gold.iob2", CONLL),
        ("gold.json", f"[{ROW.strip()}]"), ("gold.json", json.dumps([json.loads(ROW)], indent=2)),
        ("gold.json", json.dumps(json.loads(ROW), indent=1)),
        ("gold.jsonl", '{"tokens": ["Gave", "heparin"], "ner_tags": ["O", "B-DRUG"]}\n'),
        ("gold.jsonl", '{"id": 3, "words": ["Gave", "heparin"], "labels": ["O", "B_DRUG"]}\n'),
        ("gold.jsonl", '{"textSegmentAnnotations": [{"startOffset": 5, "endOffset": 12, "displayName": "DRUG"}], '
         '"textContent": "Gave heparin"}\n'),
        ("gold.jsonl", '{"text_segment_annotations": [{"start_offset": "5", "end_offset": "12", "display_name": "DRUG"}], '
         '"text_content": "Gave heparin", "data_item_resource_labels": {}}\n'),
        ("gold.PubTator", PUBTATOR), ("gold.txt", PUBTATOR), ("gold.xml", XML), ("gold.txt", XML),
        ("gold.json", json.dumps(BIOC, indent=1)), ("gold.jsonl", json.dumps(BIOC["documents"][0]) + "\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_gold_is_read_by_name_or_by_content(tmp_path: Path, name: str, content: str, packed: bool) -> None:
    """Upper case, .gz and other names as for notes; each form gives the same document."""
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    (document,) = read_annotated(path)
    assert document.text.startswith(TEXT)
    assert document.entities == (Entity(5, 12, "DRUG"),)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "gold.csv",
            "text,label\nGave heparin,DRUG\n",
            "neither its name nor its first line tells its format",
        ),
        (
            "gold.jsonl",
            '{"tokens": ["Gave"], "ner_tags": [0]}\n',
            "the tags are numbers, and the file does not name them",
        ),
        ("gold.jsonl", '{"tokens": ["Gave"], "ner_tags": ["O", "O"]}\n', "as long as the tokens"),
        (
            "gold.jsonl",
            '{"sentence": "Gave heparin"}\n',
            "no known form: expected text with entities, tokens with",
        ),
        (
            "gold.json",
            '[{"data": {"text": "Gave"}, "annotations": []}]',
            "item 1: this looks like Label Studio",
        ),
        ("gold.json", '["Gave heparin"]', "item 1: a string, expected a JSON object"),
    ],
)
def test_a_form_that_is_not_read_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    """The error speaks of the file's own form, not of another."""
    path = tmp_path / name
    path.write_text(content, "utf-8")
    with pytest.raises(InputError, match=message):
        list(read_annotated(path))


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-be", "utf-8-sig"])
def test_an_encoding_is_read_by_its_name(tmp_path: Path, encoding: str) -> None:
    """Columns and standoff of other systems, line by line and whole."""
    rules = ReadingRules(encoding=encoding)
    (tmp_path / "gold.conll").write_bytes("Fièvre\tB-PROBLEM\n".encode(encoding))
    (document,) = read_annotated(tmp_path / "gold.conll", rules=rules)
    assert document.text == "Fièvre"
    folder = tmp_path / "brat"
    folder.mkdir()
    (folder / "a.txt").write_bytes("Fièvre".encode(encoding))
    (folder / "a.ann").write_bytes("T1\tPROBLEM 0 6\tFièvre\n".encode(encoding))
    (document,) = read_annotated(folder, rules=rules)
    assert document.entities == (Entity(0, 6, "PROBLEM"),)


def test_an_encoding_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    """Without a name the message asks for one; with a wrong one it says that it is wrong."""
    path = tmp_path / "gold.conll"
    path.write_bytes("Fièvre B-PROBLEM\n".encode("utf-16"))
    with pytest.raises(InputError, match="begins as UTF-16 does: name its encoding"):
        list(read_annotated(path))
    with pytest.raises(InputError, match="not ascii: name the encoding that it has"):
        list(read_annotated(path, rules=ReadingRules(encoding="ascii")))
    with pytest.raises(InputError, match="unknown encoding 'utf-99'"):
        list(read_annotated(path, rules=ReadingRules(encoding="utf-99")))


def test_pubtator_documents_follow_each_other(tmp_path: Path) -> None:
    """With or without an empty line between; offsets count one character between title and abstract."""
    path = tmp_path / "a.pubtator"
    path.write_text(
        "1|t|Rash\n1|a|from heparin\n1\t0\t4\tRash\tDisease\tD1\n1\t10\t17\theparin\tChemical\tD2\t\n"
        "2|t|Nothing\n2|a|\n\n3|t|Pain\n3\t0\t4\tPain\tDisease\n",
        "utf-8",
    )
    first, second, third = read_annotated(path)
    assert first == Document("1", "Rash\nfrom heparin", (Entity(0, 4, "Disease"), Entity(10, 17, "Chemical")))
    assert (second.entities, third.entities) == ((), (Entity(0, 4, "Disease"),))


def test_bioc_sentences_and_fragments_are_put_together(tmp_path: Path) -> None:
    """Offsets count over the document, whatever the gaps between its parts."""

    def annotation(*places: tuple[int, int]) -> str:
        located = "".join(f'<location offset="{start}" length="{length}"/>' for start, length in places)
        return f'<annotation><infon key="type">PROBLEM</infon>{located}</annotation>'

    content = (
        "<collection><document><id>d</id><passage><offset>0</offset><text>Title</text></passage>"
        f"<passage><offset>100</offset><sentence><offset>100</offset><text>Chronic pain.</text>{annotation((100, 12))}"
        f"</sentence><sentence><offset>114</offset><text>Renal failure.</text>{annotation((114, 5), (120, 7))}</sentence>"
        "</passage></document></collection>"
    )
    (tmp_path / "a.xml").write_text(content, "utf-8")
    (document,) = read_annotated(tmp_path / "a.xml")
    assert document.text == "Title\nChronic pain. Renal failure."
    assert [document.text[e.start : e.end] for e in document.entities] == ["Chronic pain", "Renal failure"]


def test_bioc_that_declares_entities_is_refused(tmp_path: Path) -> None:
    """A billion laughs are not read, whatever they expand to."""
    declared = "".join(f'<!ENTITY a{n} "&a{n - 1};&a{n - 1};">' for n in range(1, 40))
    content = f'<!DOCTYPE c [<!ENTITY a0 "x">{declared}]><collection><document><id>&a39;</id></document></collection>'
    (tmp_path / "a.xml").write_text(content, "utf-8")
    with pytest.raises(InputError, match="it declares entities"):
        list(read_annotated(tmp_path / "a.xml"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("type", "kind"), "annotation 1: its infon type is missing"),
        (('offset="5"', 'offset="6"'), "does not lie in a passage"),
        (
            ('length="7"', 'length="6"'),
            "does not quote its text at 5 to 11; it does where the last character",
        ),
        (("</collection>", ""), "not valid XML: no element found at line 1"),
    ],
    ids=["no-type", "outside", "quote", "cut-off"],
)
def test_broken_bioc_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """With the document's number, and without its text."""
    (tmp_path / "a.xml").write_text(XML.replace(*change), "utf-8")
    with pytest.raises(InputError, match=message) as error:
        list(read_annotated(tmp_path / "a.xml"))
    assert "heparin" not in str(error.value)
