"""Where results go: one JSON a benchmark, with what is needed to compare it with another run.

The folder is `benchmarks/results/`, or the one that the variable BENCH_RESULTS names, for runs that only try things.
"""

from __future__ import annotations

import importlib.metadata as metadata
import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(os.environ.get("BENCH_RESULTS") or Path(__file__).parent / "results")
_PACKAGES = (
    "clinspan",
    "numpy",
    "onnxruntime",
    "tokenizers",
    "torch",
    "transformers",
    "optimum-onnx",
    "openmed",
    "openvino",
    "spacy",
)


def save(name: str, results: Mapping[str, Any], **context: Any) -> Path:
    """Write results with versions, cores and context under `benchmarks/results/`, and print them."""
    record = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "cpu": cpu(),
            "python": platform.python_version(),
        },
        "versions": {package: _version(package) for package in _PACKAGES if _version(package)},
        "context": context,
        "results": _rounded(results),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record["results"], indent=2))
    print(f"written to {path}")
    return path


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
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
