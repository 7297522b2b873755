"""How fast a bundle runs on this machine, and with which settings it runs fastest.

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
from clinspan.recognizer import Recognizer

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
class Timing:
    """What one setting measured.

    Attributes:
        name: of the setting.
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
    """Settings worth trying on so many cores, by name; all give the same answers."""
    found: dict[str, dict[str, Any]] = {"default": {}}
    spinning = {"session.intra_op.allow_spinning": "1"}
    if cores > 1:
        found["one thread"] = {"threads": 1}
        found["each window on all cores"] = {"session_options": {"intra_op_num_threads": cores}}
        found["spinning threads"] = {"session_options": spinning}
    found["no memory arena"] = {"session_options": {"enable_cpu_mem_arena": False}}
    return found


def measure(
    path: str | Path | None,
    *,
    notes: Sequence[str] | None = None,
    seconds: float = 40.0,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Timing]:
    """Time a bundle with each setting.

    Args:
        path: as in `Recognizer.load`.
        notes: texts to time on; None for one of our own, many times.
        seconds: about how long all of it may take.
        progress: told the name of each setting.
    """
    tried = settings(available_cores())
    texts = list(notes) if notes else [NOTE] * 8
    for name, options in tried.items():
        progress(name)
        yield _time(name, path, options, texts, seconds / len(tried) / 4)


def _time(
    name: str, path: str | Path | None, options: Mapping[str, Any], notes: Sequence[str], seconds: float
) -> Timing:
    began = time.perf_counter()
    recognizer = Recognizer.load(path, options=LoadOptions(**options))
    load = time.perf_counter() - began
    for _ in range(3):
        recognizer.recognize(MESSAGE)
    time.sleep(min(1.0, 2 * load))  # the session for lone messages loads in the background
    message = _median_of(lambda: recognizer.recognize(MESSAGE), seconds)
    note = _median_of(lambda: recognizer.recognize(max(notes, key=len)), seconds)
    many = _median_of(lambda: list(recognizer.pipe(notes)), 2 * seconds)
    return Timing(name, options, load, message * 1000, note * 1000, sum(map(len, notes)) / many / 1000)


def _median_of(call: Callable[[], object], seconds: float) -> float:
    """Median seconds of a call, repeated for about so many seconds but at least three times."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return median(times)


def best(timings: Sequence[Timing], *, by: str) -> Timing:
    """The fastest setting; the default unless another is at least 3 % faster, for less is noise.

    Args:
        timings: from `measure`, the default first.
        by: `throughput`, `message` or `note`.
    """
    sign = 1.0 if by == "throughput" else -1.0
    value: Callable[[Timing], float] = lambda timing: sign * getattr(timing, by)  # noqa: E731
    fastest = max(timings, key=value)
    default = timings[0]
    gain = value(fastest) / value(default) if sign > 0 else value(default) / value(fastest)
    return fastest if gain > 1.03 else default
