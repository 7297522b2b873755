"""JSONL of annotated documents in this project's own form, one document per line:

    {"id": "1", "text": "Aspirin 81 mg", "entities": [{"start": 0, "end": 7, "label": "DRUG"}]}

An optional `"labels"` lists what the annotators looked for, where that is not every label in use.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from clinspan.documents.document import Document, Entity, checked, offset
from clinspan.errors import InputError
from clinspan.strict_json import kind
from clinspan.textfiles import read_objects


def read(path: Path) -> Iterator[Document]:
    """Read documents, lazily; a document without an id is named by its line.

    Raises:
        InputError: a line is not of this form; the message gives its number.
    """
    for number, (where, row) in enumerate(read_objects(path), start=1):
        yield parse(row, where, str(number))


def parse(row: Mapping[str, Any], where: str, name: str) -> Document:
    """Check one document's JSON object; without an id it gets `name`."""
    text, labels = row.get("text"), row.get("labels")
    if not isinstance(text, str):
        raise InputError(f"{where}: text is {kind(text)}, expected a string")
    if labels is not None and not (isinstance(labels, list) and all(isinstance(x, str) for x in labels)):
        raise InputError(f"{where}: labels is {kind(labels)}, expected a list of label names")
    rows = row.get("entities", [])
    if not isinstance(rows, list):
        raise InputError(f"{where}: entities is {kind(rows)}, expected a list")
    entities = checked((_entity(entity, where) for entity in rows), len(text), where)
    found = row.get("id")
    if isinstance(found, dict | list):
        raise InputError(f"{where}: id is {kind(found)}, expected a name")
    return Document(
        name if found is None else str(found), text, entities, None if labels is None else frozenset(labels)
    )


def _entity(row: object, where: str) -> Entity:
    if not isinstance(row, dict):
        raise InputError(f"{where}: an entity is {kind(row)}, expected an object")
    label = row.get("label")
    if not isinstance(label, str) or not label:
        raise InputError(f"{where}: the label of an entity is {kind(label)}, expected a name")
    return Entity(offset(row.get("start"), "start", where), offset(row.get("end"), "end", where), label)


def write(documents: Iterable[Document], stream: TextIO) -> None:
    """Write documents, one a line, without the text of each entity: its offsets give it."""
    for document in documents:
        row: dict[str, Any] = {"id": document.id, "text": document.text}
        row["entities"] = [{"start": e.start, "end": e.end, "label": e.label} for e in document.entities]
        if document.labels is not None:
            row["labels"] = sorted(document.labels)
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")
