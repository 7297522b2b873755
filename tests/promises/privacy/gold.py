"""Ways in which annotated documents fail that other tools wrote: rows, tags, columns, PubTator and BioC."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.privacy.failing_paths import MARKER, NOTE, Action, Place, adder, reading

from clinspan.documents import annotated
from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import bioc, brat, conll, pubtator
from clinspan.documents.label_names import choose_labels, rename_gold
from clinspan.documents.reading import ReadingRules
from clinspan.textfiles import open_bytes

PATHS: dict[str, Action] = {}
path = adder(PATHS)

SPAN = {"start": 3, "end": 15, "label": "X"}
ROWS: dict[str, Any] = {
    "unannotated": {"text": NOTE},
    "strange field": {"text": NOTE, "annotations": [NOTE]},
    "two fields": {"text": NOTE, "entities": [SPAN], "spans": [SPAN]},
    "labels": {"text": NOTE, "labels": NOTE},
    "quote": {"text": NOTE, "entities": [{**SPAN, "text": f"{MARKER} x"}]},
    "label studio": {"data": {"text": NOTE}, "annotations": []},
    "unknown form": {"note": NOTE},
    "automl unannotated": {"text_snippet": {"content": NOTE}},
    "tokens": {"tokens": [NOTE, 1], "ner_tags": ["O", "O"]},
    "tokens untagged": {"tokens": [NOTE]},
    "tags too few": {"tokens": NOTE.split(), "ner_tags": ["O"]},
    "tags are numbers": {"tokens": [NOTE], "ner_tags": [3]},
    "tags are lists": {"tokens": [NOTE], "ner_tags": [[NOTE]]},
    "tags unknown": {"tokens": [NOTE], "ner_tags": [NOTE]},
    "bioc passages": {"passages": NOTE},
    "bioc documents": {"documents": NOTE},
}
for kind, row in ROWS.items():
    path(f"row {kind}", reading(annotated.read_annotated, "rows.jsonl", json.dumps(row)))
path("rows in an array", reading(annotated.read_annotated, "rows.json", f'[{{"text": "{NOTE}"}},\n"{NOTE}"]'))
path("rows array broken", reading(annotated.read_annotated, "rows.json", f'[\n{{"text": "{NOTE}"}}\n'))
path("columns odd", reading(annotated.read_annotated, "note.xyz", f"{NOTE}\n"))


def all_left_out(place: Place) -> object:
    file = place.write("rows.jsonl", json.dumps({"text": NOTE}))
    return list(annotated.read_annotated(file, rules=ReadingRules(unannotated="leave-out")))


path("all left out", all_left_out)

COLUMNS = {
    "untyped": f"{MARKER}\tB\n",
    "one column": f"{MARKER}\n",
    "no token": f"\t{MARKER}\tO\n",
    "running numbers": f"1\t{MARKER}\tO\n2\thas\tO\n",
    "sentence names": f"{MARKER}\thas\tO\n{MARKER}\tpain\tO\n",
}
for kind, lines in COLUMNS.items():
    path(f"conll {kind}", reading(conll.read, "note.conll", lines))

PUBTATOR = {
    "no title": f"1\t0\t3\t{NOTE}\tX\n",
    "columns": f"1|t|{NOTE}\n1\t0\t3\n",
    "no type": f"1|t|{NOTE}\n1\t0\t2\tMr\t\t1\n",
    "quote": f"1|t|{NOTE}\n1\t0\t2\t{MARKER}\tX\n",
}
for kind, lines in PUBTATOR.items():
    path(f"pubtator {kind}", reading(pubtator.read, "a.pubtator", lines))


def collection(annotation: str, before: str = "") -> str:
    return (
        f"{before}<collection><document><id>1</id><passage><offset>0</offset><text>{NOTE}</text>{annotation}</passage>"
        "</document></collection>"
    )


def located(start: int, length: int, kind: str = "type") -> str:
    return f'<annotation><infon key="{kind}">X</infon><location offset="{start}" length="{length}"/></annotation>'


XML = {
    "cut off": collection("")[:-9],
    "entities": collection("", f'<!DOCTYPE x [<!ENTITY a "{NOTE}">]>'),
    "no type": collection(located(0, 2, MARKER)),
    "nowhere": collection(located(900, 2)),
    "no location": collection('<annotation><infon key="type">X</infon></annotation>'),
}
for kind, content in XML.items():
    path(f"bioc {kind}", reading(bioc.read_xml, "a.xml", content))

PASSAGE = {"offset": 0, "text": NOTE}
BIOC: dict[str, Any] = {
    "passage": [NOTE],
    "sentences": [{"sentences": NOTE}],
    "annotation": [{**PASSAGE, "annotations": [NOTE]}],
    "location": [{**PASSAGE, "annotations": [{"infons": {"type": "X"}, "locations": [NOTE]}]}],
}
for kind, passages in BIOC.items():
    path(f"bioc {kind}", reading(bioc.read_json, "a.json", json.dumps({"passages": passages})))
path("bioc too large", lambda place: bioc_too_large(place))


def bioc_too_large(place: Place) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bioc, "MAX_BYTES", 10)
        patch.setattr(bioc, "_CHUNK", 20)
        return list(bioc.read_xml(Path(place.write("a.xml", collection("")))))


def twice(place: Place) -> object:
    place.write("note.txt", NOTE)
    place.write("note.ann", "")
    place.write("note.a1", "")
    return list(brat.read(place.root / "inputs"))


def alone(place: Place) -> object:
    place.write("note.txt", NOTE)
    return list(brat.read(place.root / "inputs"))


path("brat two files", twice)
path("brat unannotated", alone)


def in_encoding(place: Place, encoding: str, content: bytes) -> object:
    with open_bytes(Path(place.write("note.txt", content)), encoding=encoding) as stream:
        return stream.read()


path("encoding unknown", partial(in_encoding, encoding=MARKER.lower()[:3], content=NOTE.encode()))
path("encoding wrong", partial(in_encoding, encoding="ascii", content=f"{NOTE} é".encode()))
path("rules", lambda _: ReadingRules(overlaps="x"))
path("rules column", lambda _: ReadingRules(column=0))

ONE = [Document("1", NOTE, (Entity(3, 15, "X"),))]
path("map-gold", lambda _: rename_gold(ONE, {"Y": "X"}))
path("map", lambda _: choose_labels(ONE, ["X"], rename={"Y": "X"}))
path("label", lambda _: choose_labels(ONE, ["X"], rename={}, wanted=["Y"]))
path("no annotation", lambda _: choose_labels([], ["X"], rename={}))
path("no label in common", lambda _: choose_labels(ONE, ["Y"], rename={}))
