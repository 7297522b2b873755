"""Annotated documents as other tools write them, whole and broken, from fuzzed bytes; and rules for reading them."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

from clinspan.documents.reading import DISCONTINUOUS, OVERLAPS, ReadingRules
from fuzz.data import Data

_FIELDS = ("text", "entities", "spans", "label", "labels", "tokens", "ner_tags", "passages", "documents", "annotations",
           "textContent", "textSegmentAnnotations", "answer", "ents", "data")  # fmt: skip
_TAGS = ("O", "B-DRUG", "I_DRUG", "M-X", "DRUG-B", "B", "S", "o", "", "x")


def rules(data: Data) -> ReadingRules:
    """Any rules, so that faults are collected half of the time."""
    return ReadingRules(
        unannotated=data.choice(("refuse", "leave-out")),
        overlaps=data.choice(OVERLAPS),
        discontinuous=data.choice(DISCONTINUOUS),
        column=data.choice((None, None, 1, 2)),
        untyped=data.choice((None, "X")),
        encoding=data.choice((None, None, None, "utf-8", "utf-16", "latin-1")),
        faults=[] if data.byte() % 2 else None,
    )


def rows(data: Data) -> bytes:
    """JSON lines, or an array, whose objects have fields that mean something to one reader or another."""
    made: list[Any] = []
    while data and len(made) < 6:
        row: dict[str, Any] = {"text": data.text(10)} if data.byte() % 2 else {}
        for _ in range(data.below(4)):
            row[data.choice(_FIELDS)] = _value(data)
        made.append(row if data.byte() < 240 else [data.text(4), row])
    if data.byte() % 4 == 0:
        return json.dumps(made, indent=data.choice((None, 1))).encode("utf-8", "surrogatepass")
    lines = [json.dumps(row, ensure_ascii=bool(data.byte() % 2)) for row in made]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _value(data: Data) -> Any:
    kind = data.byte() % 6
    if kind == 0:
        return [data.choice(_TAGS) for _ in range(data.below(5))]
    if kind == 1:
        return [[data.below(12), data.below(16), data.choice(_TAGS)] for _ in range(data.below(4))]
    if kind == 2:
        return [
            {"start": data.below(12), "end_offset": data.below(16), "label": "DRUG", "text": data.text(2)}
            for _ in range(data.below(4))
        ]
    if kind == 3:
        return [{"offset": data.below(9), "text": data.text(8), "annotations": [_annotation(data)]}]
    return data.json(3) if kind == 4 else None


def _annotation(data: Data) -> Any:
    places = [{"offset": data.below(12), "length": data.below(6)} for _ in range(data.below(3))]
    return {"infons": {"type": data.text(2)}, "locations": places} if data.byte() < 220 else data.json(2)


def columns(data: Data) -> bytes:
    """Columns with tabs or spaces, comments, numbers in front, tags of every scheme."""
    lines = []
    while data:
        kind, separator = data.byte(), data.choice(("\t", " ", "  ", "\t\t"))
        cells = [data.text(2) for _ in range(data.below(3))] + [data.choice(_TAGS)]
        if kind % 3 == 0:
            cells.insert(0, str(data.below(9)))
        lines.append(
            separator.join(cells) if kind < 200 else data.choice(("", "# a = b", "-DOCSTART- O", "\t"))
        )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def pubtator(data: Data) -> bytes:
    """Titles, abstracts, annotations, relations, in any order."""
    lines = []
    while data:
        kind = data.byte() % 5
        title = data.text(8).replace("\n", " ")
        if kind < 2:
            lines.append(f"1|{'ta'[kind]}|{title}")
        elif kind == 2:
            lines.append("")
        else:
            start = data.below(8)
            lines.append(
                f"1\t{start}\t{start + data.below(4)}\t{data.text(2)}\tX\tD1" if kind == 3 else data.text(6)
            )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def bioc(data: Data) -> bytes:
    """A collection in XML, now and then with broken bytes in it."""
    parts = ["<collection>"]
    while data and len(parts) < 12:
        text, start = data.text(10), data.below(9)
        place = f'<location offset="{start}" length="{data.below(6)}"/>'
        annotation = f'<annotation><infon key="type">X</infon>{place * data.below(3)}</annotation>'
        parts.append(
            f"<document><id>1</id><passage><offset>0</offset><text>{escape(text)}</text>{annotation}"
        )
        parts.append("</passage></document>" if data.byte() < 240 else data.text(4))
    return "".join([*parts, "</collection>"]).encode("utf-8", "surrogatepass")
