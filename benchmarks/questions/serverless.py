"""How soon does a function answer, and how large is it? BERT-base (random weights, 15 labels) as a function.

    python -m benchmarks serverless --work DIR        needs the extras cpu, export and test, and Linux

clinspan: int8 bundle, packed by `clinspan package lambda`, unpacked, and nothing else on the path.
transformers: the pipeline on the same checkpoint, torch CPU, fp32, in an environment of its own.
Both run under awslambdaric against an emulator of Lambda's Runtime API on loopback, from a read-only folder,
on one CPU, with 1,769 MB of memory (what Lambda gives with one CPU). Runs alternate. A cold start is the time
from starting the process to the answer to its first event, with the files in the page cache: what Lambda
needs to fetch and unpack a package comes on top, for both.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.packages import runtime_api, services

from benchmarks.run import usage
from benchmarks.run.harness import Answer, in_turn, options_parser
from benchmarks.run.models import made_bundle, made_checkpoint
from benchmarks.run.record import save
from clinspan.bundle.loading import STARTER
from clinspan.package.functions import package_lambda
from clinspan.package.parts.assemble import Inputs
from clinspan.package.targets import target

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
    "openmed": ["openmed[edge-sbc]"],
    "fastembed": ["fastembed"],
    "transformers": ["torch==2.13.0", "transformers<4.58"],
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


def main(arguments: Sequence[str]) -> None:
    """Measure both sides."""
    parser = options_parser(__doc__, "work", "name")
    parser.add_argument("--runs", type=int, default=7, help="cold starts of each")
    parser.add_argument("--warm", type=int, default=20, help="warm requests in each run")
    options = parser.parse_args(arguments)
    work = Path(options.work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    environments = {name: environment(work, name, requirements) for name, requirements in PEERS.items()}
    checkpoint = made_checkpoint(work / "checkpoint", "Bert", STARTER)
    package, task = make_package(made_bundle(checkpoint, work / "bundle", ("int8",)), work)
    sides: dict[str, Callable[[], Answer]] = {
        "clinspan_int8": lambda: measure(task, package["entry"], warm=options.warm),
        "transformers_fp32": lambda: measure(
            pipeline_task(work, checkpoint),
            "function.handler",
            environments["transformers"],
            warm=options.warm,
        ),
    }
    for run in sides.values():
        run()  # not counted: it fills the page cache
    runs = in_turn(sides, options.runs, lambda name: sides[name]())
    sizes = {name: site_size(path) for name, path in environments.items()}
    settings = {"entry": package.pop("entry"), "versions": versions(environments["transformers"])}
    save(
        "serverless",
        [{"variant": name, **summary(rows)} for name, rows in runs.items()],
        {**conditions(), "runs": options.runs, **settings},
        summary={
            "ratios": ratios(*runs.values()),
            "package": package,
            "unpacked_mb_without_model": {"clinspan": package["runtime_mb"], **sizes},
        },
        name=options.name,
    )


def conditions() -> Answer:
    """Name the limits that both sides have."""
    return {
        "cores": 1,
        "memory_limit_mib": services.MEMORY // 2**20,
        "memory_limit_held": limit_held(),
        "note_characters": len(NOTE),
    }


def environment(work: Path, name: str, requirements: list[str]) -> Path:
    """The site-packages of an environment with these requirements; made where it is not there yet."""
    folder = work / "environments" / name
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    if not site.is_dir():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        for requirement in requirements:  # one by one: torch first, from an index that has its CPU build
            subprocess.run([folder / "bin" / "pip", "install", "--quiet", requirement], check=True)
    return site


def make_package(bundle: Path, work: Path) -> tuple[dict[str, Any], Path]:
    """The bundle as a function's zip for this Python, and the folder that it unpacks to."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    made = package_lambda(
        work / "function.zip",
        target("lambda", python=python, glibc=28),
        Inputs(model=str(bundle)),
        force=True,
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
        "parts_mb": {_identifier(part.name): [mb(part.unpacked), mb(part.zipped)] for part in made.parts},
        "routes": {_identifier(route.name): route.fits for route in made.routes},
    }
    return facts, task


def _identifier(name: str) -> str:
    return re.sub(r"\W+", "_", name)


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
                "peak_mb": usage.peak(process.pid),
            }


@contextmanager
def memory_limit() -> Iterator[Callable[[], None]]:
    """A control group with the memory of the function where we may make one; else no limit but one CPU."""
    group = Path("/sys/fs/cgroup/memory") / f"clinspan-{os.getpid()}"
    if not limit_held():
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


def limit_held() -> bool:
    """Whether memory can be limited here; where not, its peak is recorded all the same."""
    group = Path("/sys/fs/cgroup/memory")
    return os.access(group, os.W_OK) and (group / "memory.limit_in_bytes").is_file()


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far: what its wall-clock time would be with nothing else running."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
        "peak_memory_mb": round(max(row["peak_mb"] for row in rows)),
    }


def ratios(ours: list[Answer], theirs: list[Answer]) -> dict[str, float]:
    """The other side's time over ours, pair by pair, as medians."""
    median, pairs = statistics.median, list(zip(ours, theirs, strict=True))
    return {
        "cold_start": round(median(b["cold_s"] / a["cold_s"] for a, b in pairs), 2),
        "warm": round(median(median(b["warm_ms"]) / median(a["warm_ms"]) for a, b in pairs), 2),
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
