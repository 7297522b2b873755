"""Time a bundle on this machine with several settings, and find those it runs fastest with.

Only settings that leave every answer the same to the bit are tried: threads, how onnxruntime shares them, spinning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from clinspan.bundle.load_options import LoadOptions
from clinspan.engine.cores import available_cores
from clinspan.extract.models.by_task import ask_many, ask_one, load_any

# Written for this purpose; describes nobody.
MESSAGE = (
    "Patient presents with chest pain and shortness of breath for two days. ECG and troponin were ordered; "
    "aspirin 325 mg was given. No fever. Plan: admit to telemetry, serial troponins and an echo tomorrow."
)
NOTE = "\n\n".join(
    f"{heading}\n{MESSAGE} Metformin 500 mg tablet by mouth twice daily for type 2 diabetes, lisinopril 10 mg daily for "
    "hypertension. Creatinine 1.4 mg/dL, haemoglobin 9.8 g/dL. Chest X-ray: no infiltrate, mild cardiomegaly."
    for heading in ("HISTORY", "MEDICATIONS", "EXAMINATION", "LABORATORY", "IMAGING", "ASSESSMENT", "PLAN")
)


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one setting runs.

    Attributes:
        name: what the setting is called.
        options: as `LoadOptions` takes them.
        load: seconds to load the bundle.
        message: milliseconds for one short message alone, median.
        note: milliseconds for one note of about 3,000 characters alone, median.
        throughput: thousand characters a second over many notes, median.
    """

    name: str
    options: Mapping[str, Any]
    load: float
    message: float
    note: float
    throughput: float


def settings(cores: int) -> dict[str, dict[str, Any]]:
    """List the settings worth trying on a number of cores, by name; all give the same answers."""
    found: dict[str, dict[str, Any]] = {"default": {}}
    if cores > 1:
        found["one thread"] = {"threads": 1}
        found["each window on all cores"] = {"session_options": {"intra_op_num_threads": cores}}
        found["spinning threads"] = {"session_options": {"session.intra_op.allow_spinning": "1"}}
    found["no memory arena"] = {"session_options": {"enable_cpu_mem_arena": False}}
    return found


def measure(
    path: str | Path | None, *, notes: Sequence[str] | None = None, seconds: float = 40.0
) -> Iterator[Speed]:
    """Time a bundle with each setting.

    Args:
        path: of a model of any task; None for the bundled starter.
        notes: texts to time on, at least one; None for one of our own, many times.
        seconds: about how long all of it may take.
    """
    texts = [NOTE] * 8 if notes is None else list(notes)
    tried = settings(available_cores())
    for name, options in tried.items():
        yield _time(name, path, options, texts, seconds / len(tried) / 4)


def _time(
    name: str, path: str | Path | None, options: Mapping[str, Any], notes: Sequence[str], seconds: float
) -> Speed:
    began = time.perf_counter()
    model = load_any(path, LoadOptions(**options))
    load = time.perf_counter() - began
    for _ in range(3):
        ask_one(model, MESSAGE)
    time.sleep(min(1.0, 2 * load))  # the session for lone messages loads in the background
    message = _median_of(lambda: ask_one(model, MESSAGE), seconds)
    note = _median_of(lambda: ask_one(model, max(notes, key=len)), seconds)
    many = _median_of(lambda: list(ask_many(model, notes)), 2 * seconds)
    return Speed(name, options, load, message * 1000, note * 1000, sum(map(len, notes)) / many / 1000)


def _median_of(call: Callable[[], object], seconds: float) -> float:
    """Measure the median seconds of a call, repeated for about `seconds` but at least three times."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return median(times)


def best(timings: Sequence[Speed], *, by: str) -> Speed:
    """Choose the fastest setting: the default, unless another is at least 3 % faster, since less is noise.

    Args:
        timings: from `measure`, the default first.
        by: `throughput`, `message` or `note`.
    """

    def speed(timing: Speed) -> float:
        value: float = getattr(timing, by)
        return value if by == "throughput" else 1 / value

    default, fastest = timings[0], max(timings, key=speed)
    return fastest if speed(fastest) / speed(default) > 1.03 else default
