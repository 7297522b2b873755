"""Spark and Ray read 5,000 notes with several workers, as `pipe` does, also when a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.example_notes import ROOT

from clinspan import Recognizer
from clinspan.interop import clusters

COUNT = int(os.environ.get("CLINSPAN_CLUSTER_NOTES", "5000"))
PROBLEMS = ("pneumonia", "fever", "no chest pain", "atrial fibrillation", "")
NOTES = [f"Bed {k}: {PROBLEMS[k % 5]}. Takes metformin {k % 9 + 1}00 mg daily." for k in range(COUNT)]

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # both warn of their own packages


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    """The spans that `pipe` finds, as JSON, by id; says how fast."""
    with Recognizer.load() as recognizer:
        began = time.perf_counter()
        found = recognizer.pipe(NOTES)
        made = {str(k): as_json(span.to_dict() for span in spans) for k, spans in enumerate(found)}
    sys.stdout.write(f"pipe: {COUNT / (time.perf_counter() - began):.0f} notes/s\n")
    return made


def as_json(spans: Iterable[Any]) -> str:
    return json.dumps(
        [{name: span[name] for name in ("label", "start", "end", "text", "score")} for span in spans]
    )


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """Two executors in processes of their own, as a cluster starts them."""
    sql = pytest.importorskip("pyspark.sql")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    session = (
        sql.SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.executorEnv.PYTHONPATH", paths)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.default.parallelism", "8")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "250")
        .getOrCreate()
    )
    yield session
    session.stop()


def spark_notes(session: Any) -> Any:
    rows = [(str(k), note) for k, note in enumerate(NOTES)]
    return session.createDataFrame(rows, "id string, text string").repartition(8)


def collected(rows: Iterable[Any]) -> list[tuple[str, str]]:
    return sorted((row["id"], as_json(row["spans"])) for row in rows)


def counting(read: Callable[[Any], Any], folder: str) -> Callable[[Any], Any]:
    """Note in a file how often the process loaded the model."""

    def counted(frames: Iterator[Any]) -> Iterator[Any]:
        yield from read(frames)
        Path(folder, str(os.getpid())).write_text(str(clusters.loaded.cache_info().misses))

    return counted


def killing(read: Callable[[Any], Any], once: str) -> Callable[[Any], Any]:
    """Kill the executor, Java and all, in the middle of its notes, the first time that anyone gets there."""

    def killed(frames: Iterator[Any]) -> Iterator[Any]:
        for frame in read(frames):
            yield frame
            try:
                Path(once).touch(exist_ok=False)
            except FileExistsError:
                continue
            daemon = os.getppid()
            executor = int(Path(f"/proc/{daemon}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(executor, signal.SIGKILL)

    return killed


def test_spark_reads_every_note_once_as_pipe_does(
    spark: Any, expected: dict[str, str], tmp_path: Path
) -> None:
    """`mapInPandas` on two executors; each of their processes loads the model once."""
    began = time.perf_counter()
    read = counting(clusters.spark_reader(), str(tmp_path))
    rows = spark_notes(spark).mapInPandas(read, clusters.SPARK_ROWS).collect()
    sys.stdout.write(f"Spark: {COUNT / (time.perf_counter() - began):.0f} notes/s, with start and load\n")
    assert collected(rows) == sorted(expected.items())
    loads = [int(path.read_text()) for path in tmp_path.iterdir()]
    assert len(loads) >= 2
    assert set(loads) == {1}


def test_spark_udf_adds_the_same_column(spark: Any, expected: dict[str, str]) -> None:
    """As a pandas UDF in `withColumn`."""
    rows = spark_notes(spark).withColumn("spans", clusters.spark_udf()("text")).collect()
    assert collected(rows) == sorted(expected.items())


def test_spark_survives_a_killed_executor(spark: Any, expected: dict[str, str], tmp_path: Path) -> None:
    """Its notes are read again by another; none is missing and none comes twice."""
    read = killing(clusters.spark_reader(), str(tmp_path / "killed"))
    rows = spark_notes(spark).mapInPandas(read, clusters.SPARK_ROWS).collect()
    assert (tmp_path / "killed").exists()
    assert collected(rows) == sorted(expected.items())


@pytest.mark.parametrize("kill", [False, True], ids=["whole", "killed"])
def test_ray_reads_every_note_once_as_pipe_does(expected: dict[str, str], tmp_path: Path, kill: bool) -> None:
    """`map_batches` with two actors, each of which loads the model once; one is killed on the way and replaced."""
    ray = pytest.importorskip("ray")
    folder, once = str(tmp_path), str(tmp_path.parent / f"{tmp_path.name}-killed")

    class Reader(clusters.RayReader):
        def __call__(self, batch: Any) -> Any:
            found = super().__call__(batch)
            Path(folder, str(os.getpid())).write_text(str(clusters.loaded.cache_info().misses))
            if kill and not Path(once).exists():
                Path(once).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return found

    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    ray.init(num_cpus=3, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    try:
        began = time.perf_counter()
        notes = ray.data.from_items([{"id": str(k), "text": note} for k, note in enumerate(NOTES)])
        read = notes.repartition(20).map_batches(Reader, batch_format="pyarrow", concurrency=2)
        rows = read.take_all()
        sys.stdout.write(f"Ray: {COUNT / (time.perf_counter() - began):.0f} notes/s, with start and load\n")
    finally:
        ray.shutdown()
    assert collected(rows) == sorted(expected.items())
    assert Path(once).exists() == kill
    loads = [int(path.read_text()) for path in tmp_path.iterdir()]
    assert len(loads) >= 2
    assert set(loads) == {1}
