"""Where results go: one JSON file each, in one shape, with what is needed to compare it with another run.

The folder is `benchmarks/results/`, or the one that the variable BENCH_RESULTS names, for runs that only try things. Keys
are identifiers, and so is every string among the figures: sentences for people are written in `benchmarks/pages`.
"""

from __future__ import annotations

import importlib.metadata as metadata
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCHEMA = 1
RESULTS = Path(os.environ.get("BENCH_RESULTS") or Path(__file__).parents[1] / "results")
Row = Mapping[str, Any]
# Key -> kinds of its value. `when` and parts of `machine` are null where a run did not record them.
_SHAPE: dict[str, tuple[type, ...]] = {
    "schema": (int,),
    "question": (str,),
    "when": (str, type(None)),
    "machine": (dict,),
    "versions": (dict,),
    "model": (dict,),
    "settings": (dict,),
    "rows": (list,),
    "summary": (dict,),
}
_MODEL = ("bundle", "checkpoint")
_PACKAGES = (
    *("clinspan", "numpy", "onnxruntime", "tokenizers", "torch", "transformers", "optimum-onnx"),
    *("openmed", "openvino", "spacy"),
    *("sentence-transformers", "fastembed", "light-embed", "kjarni"),
)


def save(
    question: str,
    rows: Iterable[Row],
    settings: Mapping[str, Any],
    *,
    summary: Row | None = None,
    name: str | None = None,
) -> Path:
    """Write results with versions, machine and settings, and print them.

    Args:
        question: a name of `benchmarks.questions.QUESTIONS`.
        rows: figures, a row for each variant or setting.
        settings: everything that may differ between runs; `bundle` and `checkpoint` name the model.
        summary: figures that are not of one row.
        name: of the file; None for the question's.
    """
    record = {
        "schema": SCHEMA,
        "question": question,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "cpu": cpu(),
            "python": platform.python_version(),
        },
        "versions": {package: version for package in _PACKAGES if (version := _version(package))},
        "model": {kind: Path(settings[kind]).name for kind in _MODEL if settings.get(kind)},
        "settings": {key: value for key, value in settings.items() if key not in _MODEL},
        "rows": _rounded(list(rows)),
        "summary": _rounded(summary or {}),
    }
    if found := list(problems(record)):
        raise ValueError(f"this result is not in the shape of all others: {'; '.join(found)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name or question}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: record[key] for key in ("rows", "summary")}, indent=2))
    print(f"written to {path}")
    return path


def read(name: str) -> dict[str, Any]:
    """Read a result; raises LookupError if it is missing."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        raise LookupError(f"no result {name}")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def rows(name: str, key: str = "variant") -> dict[Any, dict[str, Any]]:
    """Read the rows of a result, by the value of one of their keys; raises LookupError if there is no result."""
    return {row[key]: row for row in read(name)["rows"]}


def names(question: str) -> list[str]:
    """Name every result of a question, such as `quality_ptt` for `quality`."""
    return sorted(path.stem for path in RESULTS.glob(f"{question}*.json"))


def problems(record: object) -> Iterator[str]:
    """Say what of a record is not in the shape that all results have."""
    if not isinstance(record, dict) or list(record) != list(_SHAPE):
        yield f"expected an object with {', '.join(_SHAPE)}"
        return
    for key, kinds in _SHAPE.items():
        if not isinstance(record[key], kinds):
            yield f"{key} is a {type(record[key]).__name__}"
    if record["schema"] != SCHEMA:
        yield f"schema is {record['schema']}, expected {SCHEMA}"
    if not record["rows"] or not all(isinstance(row, dict) for row in record["rows"]):
        yield "rows must be a list of objects, at least one"
    if list(record["machine"]) != ["cores", "cpu", "python"]:
        yield "machine must have cores, cpu and python"
    for key in ("machine", "model", "settings"):
        yield from _not_identifiers(record[key], key, figures=False)
    for key in ("rows", "summary"):
        yield from _not_identifiers(record[key], key, figures=True)


def _not_identifiers(value: object, place: str, *, figures: bool) -> Iterator[str]:
    """Keys at any depth, and strings among figures, that are not identifiers."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not key.isidentifier():
                yield f"{place} has the key {key!r}"
            yield from _not_identifiers(item, f"{place}.{key}", figures=figures)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _not_identifiers(item, f"{place}[{number}]", figures=figures)
    elif isinstance(value, str) and figures and not value.isidentifier():
        yield f"{place} is {value!r}"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(item) for item in value]
    return value


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def cpu() -> str:
    """Name of the processor, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
