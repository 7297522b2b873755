"""JSONL of annotated documents in this project's own form, one document per line:

    {"id": "1", "text": "Aspirin 81 mg", "entities": [{"start": 0, "end": 7, "label": "DRUG"}]}

An optional `"labels"` lists what the annotators looked for, where that is not every label in use. An entity may carry its
`"text"`, which must then be what its offsets lead to.

Relatives of this form are read too: doccano's (`label` with lists `[start, end, label]`, or `entities` with `start_offset`
and `end_offset`), Prodigy's (`spans`) and spaCy's (`ents`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from clinspan.documents.document import Document, Entity, offset
from clinspan.documents.formats.json_rows import read_rows
from clinspan.documents.quotes import check_quote, quote_of
from clinspan.documents.reading import ReadingRules, settle
from clinspan.errors import InputError
from clinspan.strict_json import kind

# Where tools put annotations, and what they call the parts of one.
FIELDS = ("entities", "spans", "ents", "label", "labels")
_STARTS = ("start", "start_offset", "startOffset", "begin", "start_char")
_ENDS = ("end", "end_offset", "endOffset", "end_char")
_LABELS = ("label", "type", "entity", "tag", "category")
# Fields that may hold annotations of a form that is not read.
_STRANGE = (
    "annotations", "annotation", "annos", "anns", "ner", "result", "results", "completions", "predictions", "mentions",
    "tags", "ner_tags", "denotations", "entity", "gold", "concepts", "label_spans",
)  # fmt: skip


def read(path: Path, rules: ReadingRules | None = None) -> Iterator[Document]:
    """Read documents, lazily; a document without an id is named by its line.

    Raises:
        InputError: a line is not of this form; the message gives its number.
    """
    rules = ReadingRules() if rules is None else rules
    for number, (where, row) in enumerate(read_rows(path, rules), start=1):
        try:
            document = parse(row, where, str(number), rules)
        except InputError as error:
            rules.fault(error)
            continue
        if document is not None:
            yield document


def parse(row: Mapping[str, Any], where: str, name: str, rules: ReadingRules) -> Document | None:
    """Check one document's JSON object; without an id it gets `name`. None where it is left out.

    Raises:
        InputError: it is not of this form.
    """
    text, found = row.get("text"), row.get("id")
    if not isinstance(text, str):
        raise InputError(f"{where}: text is {kind(text)}, expected a string")
    if isinstance(found, dict | list):
        raise InputError(f"{where}: id is {kind(found)}, expected a name")
    if row.get("answer") in ("reject", "ignore"):
        rules.left_out["rejected"] += 1
        return None
    labels, rows = _looked_for(row, where), _annotations(row, where)
    if rows is None:
        rules.leave_out_document(where, f"it has none of the fields {', '.join(FIELDS)}")
        return None
    entities: list[tuple[str, Entity]] = []
    for one in rows:
        try:
            entities.append((where, _entity(one, text, where)))
        except InputError as error:
            rules.fault(error)
    name = name if found is None else str(found)
    return Document(name, text, settle(entities, len(text), rules), labels)


def _looked_for(row: Mapping[str, Any], where: str) -> frozenset[str] | None:
    """The labels that the annotators looked for; a list of lists under the same name holds annotations."""
    labels = row.get("labels")
    if labels is None or _holds_annotations(row, "labels"):
        return None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise InputError(f"{where}: labels is {kind(labels)}, expected a list of label names")
    return frozenset(labels)


def _annotations(row: Mapping[str, Any], where: str) -> list[Any] | None:
    """The field that holds the annotations; None where it is missing."""
    given = row.get("entities")
    if given is not None and not isinstance(given, list):
        raise InputError(f"{where}: entities is {kind(given)}, expected a list")
    held = [name for name in FIELDS if _holds_annotations(row, name)]
    full = [name for name in held if row[name]]
    if len(full) > 1:
        raise InputError(f"{where}: both {full[0]} and {full[1]} hold annotations: keep one of them")
    strange = next((name for name in _STRANGE if isinstance(row.get(name), list | dict)), None)
    if not full and strange is not None and row[strange]:
        raise InputError(
            f"{where}: its field {strange} may hold annotations, in a form that is not read: expected entities, each with "
            "start, end and label"
        )
    return row[(full or held)[0]] if held else None


def _holds_annotations(row: Mapping[str, Any], name: str) -> bool:
    """Tell annotations from a document's class (`label`) and from a list of names (`labels`)."""
    value = row.get(name)
    if not isinstance(value, list):
        return False
    if name == "labels":
        return bool(value) and all(isinstance(one, list | dict) for one in value)
    return True


def _entity(row: object, text: str, where: str) -> Entity:
    if isinstance(row, list) and len(row) >= 3:
        row = {"start": row[0], "end": row[1], "label": row[2]}
    if not isinstance(row, dict):
        raise InputError(f"{where}: an entity is {kind(row)}, expected an object")
    label = _first(row, _LABELS)
    if not isinstance(label, str) or not label:
        raise InputError(f"{where}: the label of an entity is {kind(label)}, expected a name")
    start, end = offset(_first(row, _STARTS), "start", where), offset(_first(row, _ENDS), "end", where)
    entity = Entity(start, end, label)
    check_quote(text, entity, quote_of(row), where)
    return entity


def _first(row: Mapping[str, Any], names: Iterable[str]) -> object:
    return next((row[name] for name in names if name in row), None)


def write(documents: Iterable[Document], stream: TextIO) -> None:
    """Write documents, one a line, without the text of each entity: its offsets give it."""
    for document in documents:
        row: dict[str, Any] = {"id": document.id, "text": document.text}
        row["entities"] = [{"start": e.start, "end": e.end, "label": e.label} for e in document.entities]
        if document.labels is not None:
            row["labels"] = sorted(document.labels)
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")
