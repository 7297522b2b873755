"""The JSONL of Google's AutoML Natural Language entity extraction, one document per line:

    {"annotations": [{"text_extraction": {"text_segment": {"start_offset": 0, "end_offset": 7}},
                      "display_name": "DRUG"}],
     "text_snippet": {"content": "Aspirin 81 mg"}}

Offsets are characters, the end exclusive. A line without `annotations` was not annotated. In place of `text_snippet` a line may point to a
PDF: `{"document": {"input_config": {"gcs_source": {"input_uris": ["FILE.pdf"]}}}}`. The camelCase spelling that the
service itself exported is read too, and so are the lines of its successor, Vertex AI:

    {"textSegmentAnnotations": [{"startOffset": 0, "endOffset": 7, "displayName": "DRUG"}], "textContent": "Aspirin 81 mg"}

Written as documented at
https://cloud.google.com/natural-language/automl/docs/prepare (retired with the service).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from clinspan.documents.document import Document, Entity, checked, offset
from clinspan.documents.formats.json_rows import read_rows
from clinspan.documents.formats.pdf import read_pdf
from clinspan.documents.quotes import check_quote
from clinspan.documents.reading import ReadingRules, settle
from clinspan.errors import InputError
from clinspan.strict_json import kind

# A line that has one of these is of this form.
FIELDS = ("text_snippet", "textSnippet", "document", "textContent", "text_content", "annotations")


def read(path: Path, rules: ReadingRules | None = None) -> Iterator[Document]:
    """Read documents, lazily; each is named by its line, or by its PDF.

    Raises:
        InputError: a line is not of this form; the message gives its number.
        MissingDependencyError: a line points to a PDF and the extra `pdf` is not installed.
    """
    rules = ReadingRules() if rules is None else rules
    for number, (where, row) in enumerate(read_rows(path, rules), start=1):
        try:
            document = parse(row, where, str(number), path.parent, rules)
        except InputError as error:
            rules.fault(error)
            continue
        if document is not None:
            yield document


def parse(
    row: Mapping[str, Any], where: str, name: str, folder: Path, rules: ReadingRules
) -> Document | None:
    """Check one document's JSON object; a PDF's path counts from `folder`. None where it is left out.

    Raises:
        InputError: it is not of this form.
    """
    name, text = _text(row, where, name, folder)
    vertex = _field(row, "text_content") is not None
    rows = _field(row, "text_segment_annotations" if vertex else "annotations")
    if rows is None:
        rules.leave_out_document(where, "it has no annotations field")
        return None
    if not isinstance(rows, list):
        raise InputError(f"{where}: annotations is {kind(rows)}, expected a list")
    entities: list[tuple[str, Entity]] = []
    for one in rows:
        try:
            entities.append((where, _entity(one, text, where, vertex)))
        except InputError as error:
            rules.fault(error)
    return Document(name, text, settle(entities, len(text), rules))


def _text(row: Mapping[str, Any], where: str, name: str, folder: Path) -> tuple[str, str]:
    """A document's name and its text."""
    snippet, content = _field(row, "text_snippet"), _field(row, "text_content")
    if content is None and snippet is None and "document" in row:
        pdf = _pdf_path(row["document"], where, folder)
        return str(pdf), read_pdf(pdf)
    if content is None and isinstance(snippet, dict):
        content = _field(snippet, "content")
    if not isinstance(content, str):
        raise InputError(f"{where}: text_snippet.content is {kind(content)}, expected a string")
    return name, content


def _entity(row: object, text: str, where: str, vertex: bool) -> Entity:
    label = _field(row, "display_name")
    segment = row if vertex else _field(_field(row, "text_extraction"), "text_segment")
    if not isinstance(label, str) or not label:
        raise InputError(f"{where}: display_name of an annotation is {kind(label)}, expected a label")
    if not isinstance(segment, dict):
        raise InputError(f"{where}: text_extraction.text_segment is {kind(segment)}, expected an object")
    # A start of 0 is left out by protocol buffers' JSON, as every default is.
    start = offset(_field(segment, "start_offset", 0), "start_offset", where)
    entity = Entity(start, offset(_field(segment, "end_offset"), "end_offset", where), label)
    quote = segment.get("content")
    check_quote(text, entity, quote if isinstance(quote, str) else None, where)
    return entity


def _field(row: object, name: str, default: object = None) -> Any:
    """Look up a field by its documented name or that name in camelCase."""
    if not isinstance(row, dict):
        return default
    first, *rest = name.split("_")
    return row.get(name, row.get(first + "".join(map(str.capitalize, rest)), default))


def _pdf_path(document: object, where: str, folder: Path) -> Path:
    uris = _field(_field(_field(document, "input_config"), "gcs_source"), "input_uris")
    if not isinstance(uris, list) or len(uris) != 1 or not isinstance(uris[0], str):
        raise InputError(f"{where}: document.input_config.gcs_source.input_uris is not a list of one path")
    uri = uris[0].removeprefix("file://")
    if "://" in uri:
        raise InputError(
            f"{where}: the PDF is at a remote address, and clinspan opens no connections: copy the file here and "
            "give its path"
        )
    # A data file from elsewhere must not say which other files of this machine are read.
    try:
        inside = Path(os.path.realpath(folder / uri)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # a NUL, or half of a surrogate pair, which no file's name has
        inside = False
    if not inside:
        raise InputError(f"{where}: the PDF does not lie in the folder of this file: put it there")
    return folder / uri


def write(documents: Iterable[Document], stream: TextIO) -> None:
    """Write documents, one a line. Ids are lost: the format has none.

    Raises:
        InputError: annotations of a document overlap or leave its text, which the format does not allow.
    """
    for document in documents:
        entities = checked(document.entities, len(document.text), f"document {document.id}")
        annotations = [
            {
                "text_extraction": {"text_segment": {"start_offset": e.start, "end_offset": e.end}},
                "display_name": e.label,
            }
            for e in entities
        ]
        row = {"annotations": annotations, "text_snippet": {"content": document.text}}
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")
