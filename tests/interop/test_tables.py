"""pandas, Polars, DuckDB and pyarrow read the rows."""

from __future__ import annotations

import pytest
from tests.support import marked_note

from clinspan.clinical import assertions
from clinspan.interop import tables

NOTE = marked_note.NOTE
SPANS = marked_note.spans()
ROWS = tables.rows("a", NOTE, SPANS, assertions=assertions(NOTE, SPANS))
TEXTS = [span.text for span in SPANS]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pandas, at import


def test_pandas_takes_the_rows() -> None:
    """One line makes the frame; flags are flags."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(tables.rows("a", NOTE, SPANS))
    assert list(frame["text"]) == TEXTS
    assert frame.groupby("label").size()["PROBLEM"] == sum(span.label == "PROBLEM" for span in SPANS)


def test_polars_takes_the_rows() -> None:
    """With the assertion's columns."""
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(ROWS, infer_schema_length=None)
    assert frame.filter(polars.col("negated"))["text"].to_list() == ["fever"]


def test_arrow_and_duckdb_take_the_table() -> None:
    """DuckDB queries the Arrow table in place."""
    pytest.importorskip("pyarrow")
    duckdb = pytest.importorskip("duckdb")
    spans = tables.arrow_table(ROWS)  # DuckDB finds it by its name
    assert spans.column_names == [*tables.COLUMNS, *tables.ASSERTION_COLUMNS]
    found = duckdb.sql("select text from spans where negated and label = 'PROBLEM'")
    assert found.fetchall() == [("fever",)]
