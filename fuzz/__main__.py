"""`python -m fuzz TARGET --runs N`: fuzz a target with atheris, and keep what was run in results.json."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import platform
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
SEEDS = HERE / "seeds"
CRASHES = HERE / "crashes"
PACKAGES = ("atheris", "numpy", "onnxruntime", "tokenizers", "pypdf")


def main() -> int:
    """Run what the command line asks for; returns 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", help="name of a target, or `all`; `list` shows them")
    parser.add_argument("--runs", type=int, default=10_000, help="inputs to run (10000)")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations (1)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input, as atheris saved it")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="keep inputs that reached new code here")
    parser.add_argument("--save", action="store_true", help=f"add the run to {RESULTS.name}")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.worker:
        return _work(options.target, rest)
    if options.replay is not None:
        return _replay(options.target, options.replay)
    from fuzz.targets import TARGETS

    if options.target == "list":
        print(*TARGETS, sep="\n")
        return 0
    names = list(TARGETS) if options.target == "all" else [options.target]
    return max([_fuzz(name, options) for name in names])


def _fuzz(name: str, options: argparse.Namespace) -> int:
    """One target in a process of its own: libFuzzer ends the process that it runs in."""
    with tempfile.TemporaryDirectory() as scratch:
        corpus = scratch if options.corpus is None else str(options.corpus / name)
        Path(corpus).mkdir(parents=True, exist_ok=True)
        seeds = [str(SEEDS / name)] if (SEEDS / name).is_dir() else []
        command = [sys.executable, "-m", "fuzz", name, "--worker", corpus, *seeds]
        command += [f"-runs={options.runs}", f"-seed={options.seed}", "-print_final_stats=1"]
        command += [
            "-max_len=1024",
            "-timeout=600",
            "-rss_limit_mb=4096",
            f"-artifact_prefix={CRASHES}/{name}-",
        ]
        CRASHES.mkdir(exist_ok=True)
        began = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        seconds = time.monotonic() - began
    row = _read(done.stdout.decode("utf-8", "replace"))
    row = {
        "target": name,
        "seconds": round(seconds),
        **row,
        "seed": options.seed,
        "failed": done.returncode != 0,
    }
    print(json.dumps(row), flush=True)
    if row["failed"]:
        print(done.stdout.decode("utf-8", "replace")[-4000:], file=sys.stderr)
    elif options.save:
        _save(row)
    return int(row["failed"])


def _read(output: str) -> dict[str, Any]:
    """Inputs run and edges reached, from libFuzzer's report."""
    runs = re.findall(r"stat::number_of_executed_units:\s*(\d+)", output)
    progress = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", output)
    covered, features, corpus = map(int, progress[-1]) if progress else (0, 0, 0)
    first = int(progress[0][0]) if progress else 0
    return {
        "inputs": int(runs[-1]) if runs else 0,
        "edges": covered,
        "edges_at_start": first,
        "features": features,
        "corpus": corpus,
    }


def _save(row: dict[str, Any]) -> None:
    saved = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"found": [], "runs": []}
    row = {key: value for key, value in row.items() if key != "failed"}
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    saved["runs"].append({**row, "python": platform.python_version(), **versions})
    saved["inputs"] = sum(run["inputs"] for run in saved["runs"])
    RESULTS.write_text(json.dumps(saved, indent=2) + "\n")


def _work(name: str, arguments: list[str]) -> int:
    """Inside the process of one target: everything of clinspan is instrumented as it is imported."""
    import atheris

    # pypdf too where it is what reads the bytes.
    with atheris.instrument_imports(include=["clinspan", "pypdf"] if name == "pdf" else ["clinspan"]):
        from fuzz.targets import TARGETS
    from fuzz.data import Data

    _quiet()
    target = TARGETS[name]
    atheris.Setup([sys.argv[0], *arguments], lambda raw: target(Data(raw)))
    atheris.Fuzz()
    return 0


def _replay(name: str, path: Path) -> int:
    from fuzz.data import Data
    from fuzz.targets import TARGETS

    _quiet()
    TARGETS[name](Data(path.read_bytes()))
    print(f"{path} keeps every promise")
    return 0


def _quiet() -> None:
    """Logs and warnings of a million broken inputs help nobody; what a log may hold has its own test."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


if __name__ == "__main__":
    sys.exit(main())
