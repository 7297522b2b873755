"""The ORM of OMOP's Common Data Model 5.4 takes our rows of NOTE_NLP into its table."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tests.support.marked_note import NOTE, spans

from clinspan import Span
from clinspan.clinical import assertions
from clinspan.interop import omop

LONG = "pain " * 100


def rows() -> list[dict[str, Any]]:
    """Rows of the marked note, and one of a span longer than the table's fields."""
    made = omop.note_nlp(NOTE, spans(), note_id=7, on=date(2030, 1, 31), assertions=assertions(NOTE, spans()))
    span = Span("PROBLEM", 0, len(LONG), LONG, 0.5)
    return [*made, *omop.note_nlp(LONG, [span], note_id=8, on=date(2030, 1, 31), first=len(made) + 1)]


@pytest.mark.filterwarnings("ignore")  # of other libraries, at import
def test_the_table_takes_every_row_and_gives_it_back() -> None:
    """Its columns are ours, no required one is empty, and every text has room."""
    tables = pytest.importorskip("omop_cdm.regular.cdm54.tables")
    sql = pytest.importorskip("sqlalchemy")
    table = tables.NoteNlp.__table__
    columns = {column.key: column for column in table.columns}
    assert set(columns) == set(omop.COLUMNS)
    for row in rows():
        for name, value in row.items():
            length = getattr(columns[name].type, "length", None)
            assert value is None or length is None or len(value) <= length, name
            assert columns[name].nullable or value is not None, name
    given = [{**row, "nlp_date": date.fromisoformat(row["nlp_date"])} for row in rows()]
    engine = sql.create_engine("sqlite://", execution_options={"schema_translate_map": {table.schema: None}})
    with engine.connect() as connection:
        connection.execute(sql.schema.CreateTable(table, include_foreign_key_constraints=[]))
        connection.execute(sql.insert(table), given)
        back = connection.execute(sql.select(table).order_by(table.c.note_nlp_id)).mappings().all()
    engine.dispose()
    assert [dict(row) for row in back] == given


def test_a_span_longer_than_the_table_takes_keeps_its_place() -> None:
    """The fields of 250 characters are cut, as the table asks; start and end stand beside them."""
    *_, row = rows()
    assert len(row["lexical_variant"]) == 250
    assert (row["offset"], f"end={len(LONG)}," in row["term_modifiers"]) == ("0", True)
