"""The formats of results: how each writes a note's spans, a failed note, and what stands around them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from itertools import count
from typing import Any

from clinspan.clinical.assertion import assertions
from clinspan.clinical.medication import regimens
from clinspan.documents.document import Document
from clinspan.documents.find import entities
from clinspan.documents.formats import automl, conll
from clinspan.extract.meaning import Asked, meaning_notes, meaning_rows
from clinspan.extract.outcomes import Failure, Result
from clinspan.extract.output import (
    as_table,
    failure_as_jsonl,
    failure_as_table,
    json_line,
)
from clinspan.interop import aws, azure, fhir, google, html, huggingface, omop, tables
from clinspan.interop.spacy import displacy

NOTHING = Asked()


@dataclass(frozen=True, slots=True)
class Format:
    """A format that is text, written note by note.

    Attributes:
        show: writes a note's spans, without the last line end.
        fail: writes a failed note; None if the format has no place for one.
        head: what stands before the first note.
        tail: what stands after the last one.
        resumes: whether a later run can continue the file: each line is a note's and begins with its id.
        labels: labels that it has a place for; None for any.
    """

    show: Callable[[Result], str]
    fail: Callable[[Failure], str] | None = None
    head: str = ""
    tail: str = ""
    resumes: bool = False
    labels: frozenset[str] | None = None


# What -f takes. The last two are not text: `writers.py` writes them.
FORMATS = {
    "table": "aligned columns to look at",
    "jsonl": "a line of JSON for each note",
    "huggingface": "JSON lines, with the entities as transformers' pipeline has them",
    "displacy": "JSON lines for spaCy's displaCy",
    "csv": "a row for each span, with its assertion",
    "html": "a page with highlights",
    "conll": "a token and its tag on each line",
    "automl": "JSON lines as Google's AutoML reads them",
    "aws": "JSON lines in the shape of Comprehend Medical's DetectEntitiesV2",
    "azure": "JSON lines in the shape of Azure's Text Analytics for health",
    "google": "JSON lines in the shape of the Healthcare API's analyzeEntities",
    "fhir": "a line with a FHIR R4 Bundle for each note",
    "omop": "CSV with rows of OMOP's NOTE_NLP",
    "brat": "a folder with NAME.txt and NAME.ann for each note",
    "parquet": "a Parquet file with the rows of csv",
}
NOT_TEXT = ("brat", "parquet")
RESUMES = ("jsonl", "huggingface", "displacy", "aws", "azure", "google")


def text_format(
    name: str,
    *,
    with_text: bool = False,
    asked: Asked = NOTHING,
    on_terminal: bool = False,
    colours: bool = False,
) -> Format:
    """Make the format that -f names.

    Args:
        name: one of `FORMATS` that is text.
        with_text: whether a line of `jsonl` also carries the text that was read.
        asked: what `table` and `jsonl` say of spans beside their labels; the other shapes say it anyway if they can.
        on_terminal: whether the table is grouped by label.
        colours: whether it may be coloured.
    """
    if name == "table":
        shown = Format(
            lambda r: _table(r, asked, grouped=on_terminal, colours=colours),
            lambda f: failure_as_table(f.id, f.reason),
        )
    elif name == "jsonl":
        shown = _json_lines(lambda r: _jsonl_row(r, asked, with_text=with_text))
    elif name in RESUMES:
        shown = _json_lines(_ROWS[name])
    else:
        shown = _MAKERS[name]()
    return replace(shown, labels=LABELS.get(name))


def _table(result: Result, asked: Asked, *, grouped: bool, colours: bool) -> str:
    remarks, below = meaning_notes(result.note.text, result.spans, asked)
    return as_table(result.note, result.spans, remarks=remarks, below=below, grouped=grouped, colours=colours)


def _jsonl_row(result: Result, asked: Asked, *, with_text: bool) -> dict[str, Any]:
    text = {"text": result.note.text} if with_text else {}
    return {**text, **meaning_rows(result.note.text, result.spans, asked)}


def _json_lines(row: Callable[[Result], Mapping[str, Any]]) -> Format:
    def show(result: Result) -> str:
        return json_line({"id": result.note.id, **row(result)})

    return Format(show, lambda f: failure_as_jsonl(f.id, f.reason), resumes=True)


def _meaning(result: Result) -> dict[str, Any]:
    text, spans = result.note.text, result.spans
    return {"assertions": assertions(text, spans), "regimens": regimens(text, spans)}


_ROWS: dict[str, Callable[[Result], Mapping[str, Any]]] = {
    "huggingface": lambda r: {"entities": huggingface.entities(r.spans)},
    "displacy": lambda r: displacy(r.note.text, r.spans),
    "aws": lambda r: aws.detect_entities_v2(r.note.text, r.spans, **_meaning(r)),
    "azure": lambda r: azure.healthcare_document(r.note.text, r.spans, document_id=r.note.id, **_meaning(r)),
    "google": lambda r: google.analyze_entities(r.note.text, r.spans, **_meaning(r)),
}
LABELS = {
    "aws": frozenset(aws.TYPES),
    "azure": frozenset(azure.CATEGORIES),
    "google": frozenset(google.TYPES),
    "fhir": frozenset(aws.TYPES),
}
# Columns of csv and parquet; the last one says why a note has no spans.
TABLE_COLUMNS = {**tables.COLUMNS, **tables.ASSERTION_COLUMNS, "error": "text"}


def table_rows(outcome: Result | Failure) -> list[dict[str, Any]]:
    """Write an outcome as rows with `TABLE_COLUMNS`; a failed note is one row."""
    if isinstance(outcome, Failure):
        return [{"id": outcome.id, "error": outcome.reason}]
    note = outcome.note
    return tables.rows(note.id, note.text, outcome.spans, assertions=assertions(note.text, outcome.spans))


def _csv() -> Format:
    def show(outcome: Result | Failure) -> str:
        return _csv_lines(list(TABLE_COLUMNS), table_rows(outcome))

    return Format(show, show, head=_csv_lines(list(TABLE_COLUMNS)))


def _omop() -> Format:
    numbers = count(1)
    today = datetime.now(UTC).date()

    def show(result: Result) -> str:
        note = result.note
        rows = omop.note_nlp(
            note.text, result.spans, note_id=note.id, on=today, assertions=assertions(note.text, result.spans)
        )
        return _csv_lines(omop.COLUMNS, [{**row, "note_nlp_id": next(numbers)} for row in rows])

    return Format(show, head=_csv_lines(omop.COLUMNS))


def _csv_lines(columns: Sequence[str], rows: Sequence[Mapping[str, Any]] | None = None) -> str:
    """Write rows, or the line of column names, without the last line end."""
    lines = StringIO()
    writer = csv.DictWriter(lines, columns, lineterminator="\n")
    if rows is None:
        writer.writeheader()
    else:
        writer.writerows(rows)
    # A lone surrogate cannot be written as UTF-8.
    return lines.getvalue().removesuffix("\n").encode("utf-8", "replace").decode("utf-8")


def _html() -> Format:
    def show(result: Result) -> str:
        note = result.note
        shown = html.section(note.text, result.spans, **_meaning(result))
        return f"{html.heading(note.id)}\n{shown}"

    return Format(
        show,
        lambda f: html.failed_section(f.id, f.reason),
        head=html.page_begin("clinspan"),
        tail=html.PAGE_END.removesuffix("\n"),
    )


def _conll() -> Format:
    return Format(lambda result: _written(conll.write, result))


def _automl() -> Format:
    return Format(lambda result: _written(automl.write, result))


def _written(write: Callable[[list[Document], StringIO], None], result: Result) -> str:
    lines = StringIO()
    write([as_document(result)], lines)
    return lines.getvalue().removesuffix("\n")


def as_document(result: Result) -> Document:
    """Make the document that has a note's spans as its entities."""
    return Document(result.note.id, result.note.text, tuple(entities(result.spans)))


def _fhir() -> Format:
    recorded = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def show(result: Result) -> str:
        note = result.note
        return json_line(
            fhir.bundle(note.text, result.spans, note_id=note.id, recorded=recorded, **_meaning(result))
        )

    return Format(show, lambda failure: json_line(fhir.failure(failure.id, failure.reason)))


_MAKERS: dict[str, Callable[[], Format]] = {
    "csv": _csv,
    "omop": _omop,
    "html": _html,
    "conll": _conll,
    "automl": _automl,
    "fhir": _fhir,
}
