"""How soon does a function answer, and how large is it? BERT-base (random weights, 15 labels) as a function.

    python benchmarks/serverless.py --work DIR        needs the extras cpu, export and test, and Linux

clinspan: int8 bundle, packed by `clinspan package lambda`, unpacked, and nothing else on the path.
transformers: the pipeline on the same checkpoint, torch CPU, fp32, in an environment of its own.
Both run under awslambdaric against an emulator of Lambda's Runtime API on loopback, from a read-only folder,
on one CPU, with 1,769 MB of memory (what Lambda gives with one CPU). Runs alternate. A cold start is the time
from starting the process to the answer to its first event, with the files in the page cache: what Lambda
needs to fetch and unpack a package comes on top, for both. Results: benchmarks/results/serverless.json.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from tests.support import runtime_api, services  # noqa: E402

from benchmarks.record import cpu  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "serverless.json"
ENTITIES = ("PROBLEM", "TEST", "TREATMENT", "DRUG", "DOSE", "FREQUENCY", "ANATOMY")
NOTE = (
    "HISTORY OF PRESENT ILLNESS: 71-year-old woman with hypertension, type 2 diabetes and chronic kidney "
    "disease stage 3, brought in with two days of fever, productive cough and right-sided chest pain.\n"
    "EXAM: temperature 38.9 C, heart rate 112, blood pressure 98/54, oxygen saturation 90 % on room air. "
    "Crackles at the right base.\n"
    "LABS: white cell count 17.2, creatinine 1.9 (baseline 1.4), lactate 2.6, procalcitonin 4.1.\n"
    "IMAGING: chest X-ray shows right lower lobe consolidation without effusion.\n"
    "ASSESSMENT AND PLAN: community-acquired pneumonia with sepsis. Ceftriaxone 2 g IV daily and "
    "azithromycin 500 mg IV daily, two litres of Ringer's lactate, blood cultures before antibiotics. "
    "Hold metformin and lisinopril. Insulin sliding scale. Repeat creatinine in the morning.\n"
)
# What others install to do this job, each in an environment of its own.
PEERS = {
    "openmed[edge-sbc]": ("openmed", ["openmed[edge-sbc]"]),
    "fastembed": ("fastembed", ["fastembed"]),
    "transformers + torch CPU": ("transformers", ["torch==2.13.0", "transformers<4.58"]),
}
_PIPELINE = '''"""The transformers pipeline as a function, loaded in the init phase."""

import torch
from transformers import pipeline

torch.set_num_threads(1)
PIPE = pipeline("token-classification", model="{checkpoint}", aggregation_strategy="simple", device="cpu")


def handler(event, context):
    spans = PIPE(event["text"])
    return {{"statusCode": 200, "spans": [{{**span, "score": float(span["score"])}} for span in spans]}}
'''


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, required=True, help="folder for models and environments, reused")
    parser.add_argument("--runs", type=int, default=7, help="cold starts of each")
    parser.add_argument("--warm", type=int, default=20, help="warm requests in each run")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    environments = {name: environment(work, *peer) for name, peer in PEERS.items()}
    checkpoint = make_checkpoint(work / "checkpoint")
    bundle = make_bundle(checkpoint, work / "bundle")
    package, task = make_package(bundle, work)
    sides = {
        "clinspan int8": lambda: measure(task, package["entry"], warm=options.warm),
        "transformers pipeline fp32": lambda: measure(
            pipeline_task(work, checkpoint),
            "function.handler",
            environments["transformers + torch CPU"],
            warm=options.warm,
        ),
    }
    runs = alternate(sides, options.runs)
    result = {
        "question": "cold start, warm latency and size of BERT-base (15 labels) as a function",
        "command": "python benchmarks/serverless.py --work DIR",
        "machine": {
            "cpu": cpu(),
            "cores_used": 1,
            "memory_limit_mb": 1769,
            "limit": limit_kind(),
            "load_average_at_the_end": round(os.getloadavg()[0], 1),
        },
        "python": platform.python_version(),
        "versions": versions(environments["transformers + torch CPU"]),
        "note_characters": len(NOTE),
        "quality": "random weights: speed and size only",
        "runs": options.runs,
        "functions": {name: summary(rows) for name, rows in runs.items()},
        "ratios": ratios(runs),
        "package": package,
        "unpacked_mb_without_model": {
            "clinspan package": package["runtime_mb"],
            **{name: site_size(path) for name, path in environments.items()},
        },
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({k: result[k] for k in ("functions", "ratios", "unpacked_mb_without_model")}, indent=2))


def environment(work: Path, name: str, requirements: list[str]) -> Path:
    """The site-packages of an environment with these requirements; made where it is not there yet."""
    folder = work / "environments" / name
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    if not site.is_dir():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        for requirement in requirements:  # one by one: torch first, from an index that has its CPU build
            subprocess.run([folder / "bin" / "pip", "install", "--quiet", requirement], check=True)
    return site


def make_checkpoint(folder: Path) -> Path:
    """BERT-base with random weights and the starter's vocabulary."""
    if folder.is_dir():
        return folder
    import torch
    from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast

    from clinspan.bundle.loading import STARTER

    torch.manual_seed(0)
    names = ["O", *(f"{prefix}-{entity}" for entity in ENTITIES for prefix in "BI")]
    labels = dict(enumerate(names))
    config = BertConfig(
        num_labels=len(names), id2label=labels, label2id={name: number for number, name in labels.items()}
    )
    BertForTokenClassification(config).save_pretrained(folder)
    tokenizer = BertTokenizerFast(tokenizer_file=str(STARTER / "tokenizer.json"), model_max_length=512)
    tokenizer.save_pretrained(folder)
    return folder


def make_bundle(checkpoint: Path, folder: Path) -> Path:
    """The checkpoint as an int8 bundle."""
    if not folder.is_dir():
        from clinspan_export.export import export

        export(str(checkpoint), folder, precisions=("int8",))
    return folder


def make_package(bundle: Path, work: Path) -> tuple[dict[str, Any], Path]:
    """The bundle as a function's zip for this Python, and the folder that it unpacks to."""
    from clinspan.package.functions import Inputs, package_lambda
    from clinspan.package.targets import target

    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    made = package_lambda(
        work / "function.zip", target("lambda", python=python, glibc=28), Inputs(model=str(bundle))
    )
    task = work / "task"
    subprocess.run(["rm", "-rf", str(task)], check=True)
    with zipfile.ZipFile(made.archives[0]) as archive:
        archive.extractall(task)
    runtime = [part for part in made.parts if part.name not in ("model", "tokenizer and labels")]
    facts = {
        "entry": made.entry,
        "zip_mb": mb(made.archives[0].stat().st_size),
        "unpacked_mb": mb(sum(part.unpacked for part in made.parts)),
        "runtime_mb": mb(sum(part.unpacked for part in runtime)),
        "parts_mb": {part.name: [mb(part.unpacked), mb(part.zipped)] for part in made.parts},
        "routes": {route.name: route.fits for route in made.routes},
    }
    return facts, task


def pipeline_task(work: Path, checkpoint: Path) -> Path:
    """A function's folder with the transformers pipeline."""
    task = work / "pipeline"
    task.mkdir(exist_ok=True)
    (task / "function.py").write_text(_PIPELINE.format(checkpoint=checkpoint))
    return task


def measure(task: Path, entry: str, *path: Path, warm: int) -> dict[str, Any]:
    """Start a function, send it events one after another."""
    client = task.parent / "client"
    if not client.exists():
        services.client_only(client, services.LAMBDA_CLIENT)
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HOME": str(task.parent)}
    with runtime_api.serve() as api, memory_limit() as limit:
        began = time.monotonic()
        with services.lambda_runtime(
            api.address, task, client, *path, handler=entry, limit=limit, environment=quiet
        ) as process:
            outcome = api.invoke({"text": NOTE})
            cold = outcome.at - began
            busy = cpu_seconds(process.pid)
            assert outcome.json()["statusCode"] == 200, outcome.body[:300]
            times = []
            for _ in range(warm):
                asked = time.monotonic()
                outcome = api.invoke({"text": NOTE})
                times.append(outcome.at - asked)
            return {
                "cold_s": cold,
                "cold_cpu_s": busy,
                "warm_ms": [1000 * t for t in times],
                "warm_cpu_ms": 1000 * (cpu_seconds(process.pid) - busy) / warm,
                "peak_mb": peak_memory(process.pid),
            }


@contextmanager
def memory_limit() -> Iterator[Callable[[], None]]:
    """A control group with the memory of the function where we may make one; else no limit but one CPU."""
    group = Path("/sys/fs/cgroup/memory") / f"clinspan-{os.getpid()}"
    if limit_kind() != "cgroup":
        yield services.one_cpu
        return
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(services.MEMORY))

    def limit() -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        services.one_cpu()

    try:
        yield limit
    finally:
        time.sleep(0.2)
        group.rmdir()


def limit_kind() -> str:
    """How memory is limited here."""
    group = Path("/sys/fs/cgroup/memory")
    writable = os.access(group, os.W_OK) and (group / "memory.limit_in_bytes").is_file()
    return "cgroup" if writable else "none (peak recorded)"


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far: what its wall-clock time would be with nothing else running."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid: int) -> float:
    """Most resident memory of a process so far, in megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return round(int(line.split()[1]) * 1024 / 1e6)


def alternate(sides: dict[str, Callable[[], dict[str, Any]]], runs: int) -> dict[str, list[dict[str, Any]]]:
    """Run the sides by turns, after one run of each that is not counted and fills the page cache."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for number in range(runs + 1):
        for name, run in sides.items():
            row = run()
            print(f"{name}: cold {row['cold_s']:.2f} s", file=sys.stderr)
            if number:
                found[name].append(row)
    return found


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians and extremes over the runs."""
    cold = [row["cold_s"] for row in rows]
    warm = [statistics.median(row["warm_ms"]) for row in rows]
    return {
        "cold_start_s": round(statistics.median(cold), 3),
        "cold_start_s_range": [round(min(cold), 3), round(max(cold), 3)],
        "cold_start_cpu_s": round(statistics.median(row["cold_cpu_s"] for row in rows), 2),
        "warm_ms": round(statistics.median(warm), 1),
        "warm_ms_range": [round(min(warm), 1), round(max(warm), 1)],
        "warm_cpu_ms": round(statistics.median(row["warm_cpu_ms"] for row in rows), 1),
        "peak_memory_mb": max(row["peak_mb"] for row in rows),
    }


def ratios(runs: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """The other side's time over ours, pair by pair, as medians."""
    ours, theirs = runs.values()
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "cold_start": round(statistics.median(b["cold_s"] / a["cold_s"] for a, b in pairs), 2),
        "warm": round(
            statistics.median(
                statistics.median(b["warm_ms"]) / statistics.median(a["warm_ms"]) for a, b in pairs
            ),
            2,
        ),
    }


def site_size(site: Path) -> float:
    """Megabytes of a site-packages without pip's own parts and caches."""
    skipped = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
    size = sum(
        path.stat().st_size
        for path in site.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.relative_to(site).parts[0].split("-")[0] not in skipped
    )
    return mb(size)


def mb(size: int) -> float:
    """Megabytes of a million bytes."""
    return round(size / 1e6, 1)


def versions(site: Path) -> dict[str, str]:
    """Versions on both sides."""
    names = ("clinspan", "awslambdaric")
    found = {name: importlib.metadata.version(name) for name in names}
    for name in ("torch", "transformers"):
        (place,) = importlib.metadata.distributions(name=name, path=[str(site)])
        found[name] = place.version
    return found


if __name__ == "__main__":
    main()
