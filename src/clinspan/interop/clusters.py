"""Read many notes on a cluster: Spark's `mapInPandas`, a pandas UDF, and Ray Data's `map_batches`.

clinspan has to be installed on every worker, and the model has to lie in the same place there. A worker loads it once,
with one thread: the cluster already runs as many workers as it has cores. Each note gives one row, found or not.

    notes.mapInPandas(spark_reader(), SPARK_ROWS)                      # id, spans
    notes.withColumn("spans", spark_udf()("text"))
    dataset.map_batches(RayReader, batch_format="pyarrow", concurrency=2)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from clinspan.errors import MissingDependencyError
from clinspan.interop.tables import import_arrow
from clinspan.recognizer import Recognizer

if TYPE_CHECKING:
    import pyarrow

# Types of the columns as Spark writes them; `end` is a word of SQL: it stands in quotes.
SPARK_SPANS = "array<struct<label: string, start: int, `end`: int, text: string, score: double>>"
SPARK_ROWS = f"id string, spans {SPARK_SPANS}"


def spark_reader(
    model: str | None = None, *, id_column: str = "id", text_column: str = "text"
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Make the function that `DataFrame.mapInPandas` takes, together with the schema `SPARK_ROWS`.

    Args:
        model: a bundle's folder on every worker; None for the starter.
        id_column: the column that names each note, as text.
        text_column: the column with the notes.
    """

    def read(frames: Iterator[Any]) -> Iterator[Any]:
        for frame in frames:
            yield frame[[id_column]].set_axis(["id"], axis=1).assign(spans=_spans(model, frame[text_column]))

    return read


def spark_udf(model: str | None = None) -> Any:
    """Make a pandas UDF from a column of notes to a column of their spans, of the type `SPARK_SPANS`.

    Args:
        model: a bundle's folder on every worker; None for the starter.

    Raises:
        MissingDependencyError: pyspark or pandas is not installed.
    """
    try:
        import pandas
        from pyspark.sql.functions import pandas_udf
    except ImportError as error:
        raise MissingDependencyError("a UDF needs pyspark and pandas: pip install pyspark pandas") from error

    def read(series: Any) -> Any:
        for notes in series:
            yield pandas.Series(_spans(model, notes))

    # Spark chooses the kind of UDF by these, and reads them as types and not as text.
    read.__annotations__ = {"series": Iterator[pandas.Series], "return": Iterator[pandas.Series]}
    return pandas_udf(read, SPARK_SPANS)


class RayReader:
    """A loaded model for `Dataset.map_batches(RayReader, batch_format="pyarrow", concurrency=...)`: one for each actor."""

    def __init__(self, model: str | None = None, text_column: str = "text") -> None:
        self._model = model
        self._text_column = text_column
        loaded(model)

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """Add the column `spans` to a batch: a list of structures for each note."""
        arrow = import_arrow()
        fields = {"label": arrow.string(), "start": arrow.int32(), "end": arrow.int32()}
        fields |= {"text": arrow.string(), "score": arrow.float64()}
        spans = _spans(self._model, batch.column(self._text_column).to_pylist())
        return batch.append_column(
            "spans", arrow.array(spans, arrow.list_(arrow.struct(list(fields.items()))))
        )


@cache
def loaded(model: str | None) -> Recognizer:
    """Load a model once in this process, with one thread."""
    return Recognizer.load(model, threads=1)


def _spans(model: str | None, notes: Iterable[str]) -> list[list[dict[str, Any]]]:
    return [[span.to_dict() for span in spans] for spans in loaded(model).pipe(iter(notes))]
