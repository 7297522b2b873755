"""Spans as rows for CSV, pandas, Polars, DuckDB, and as an Arrow table (the extra `arrow`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from clinspan.errors import MissingDependencyError, installing
from clinspan.interop.given import checked
from clinspan.text.decode import Span

if TYPE_CHECKING:
    import pyarrow

    from clinspan.clinical.records import Assertion

# Columns of every row, and whether they hold text, integers, numbers or true and false.
COLUMNS = {
    "id": "text",
    "label": "text",
    "start": "integer",
    "end": "integer",
    "text": "text",
    "score": "number",
}
ASSERTION_COLUMNS = {
    "negated": "flag",
    "uncertain": "flag",
    "hypothetical": "flag",
    "historical": "flag",
    "planned": "flag",
    "allergy": "flag",
    "experiencer": "text",
    "action": "text",
    "section": "text",
}


def rows(
    note_id: str, note: str, spans: Iterable[Span], *, assertions: Sequence[Assertion] | None = None
) -> list[dict[str, Any]]:
    """Write spans as one flat dictionary each: what `pandas.DataFrame` and `polars.DataFrame` take.

    Args:
        note_id: goes into the column `id`.
        note: the text that was read.
        spans: its spans.
        assertions: one for each span, for the columns of `ASSERTION_COLUMNS`.

    Raises:
        InputError: a span does not quote the note.

    >>> rows("a", "Takes aspirin.", [Span("DRUG", 6, 13, "aspirin", 0.5)])
    [{'id': 'a', 'label': 'DRUG', 'start': 6, 'end': 13, 'text': 'aspirin', 'score': 0.5}]
    """
    found = []
    for span, assertion in checked(note, spans, assertions):
        row = {"id": note_id, **span.to_dict()}
        if assertion is not None:
            row.update({name: getattr(assertion, name) for name in list(ASSERTION_COLUMNS)[:-1]})
            row["section"] = assertion.section.kind
        found.append(row)
    return found


def arrow_schema(columns: dict[str, str]) -> pyarrow.Schema:
    """Make the Arrow schema of columns such as `COLUMNS`.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    arrow = import_arrow()
    kinds = {
        "text": arrow.string(),
        "integer": arrow.int32(),
        "number": arrow.float32(),
        "flag": arrow.bool_(),
    }
    return arrow.schema([arrow.field(name, kinds[kind]) for name, kind in columns.items()])


def arrow_table(found: Sequence[dict[str, Any]]) -> pyarrow.Table:
    """Make an Arrow table of rows from `rows`, of one note or of many.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    columns = {**COLUMNS, **ASSERTION_COLUMNS} if found and "section" in found[0] else COLUMNS
    return import_arrow().Table.from_pylist(list(found), schema=arrow_schema(columns))


def import_arrow() -> Any:
    """Import pyarrow.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingDependencyError(f"Arrow and Parquet need pyarrow: {installing('arrow')}") from error
    return pyarrow
