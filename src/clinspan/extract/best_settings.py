"""Time a bundle on this machine with several settings, and find those it runs fastest with.

Only settings that leave every answer the same to the bit are recommended: threads, how onnxruntime shares them, spinning.
Other execution providers are timed beside them and never recommended, because their answers may differ in the last digits.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from clinspan.bundle.load_options import LoadOptions
from clinspan.engine.cores import available_cores
from clinspan.engine.session import available_kinds
from clinspan.errors import ClinspanError
from clinspan.extract.models.by_task import AnyModel, ask_many, ask_one, load_any

FEWEST_ROUNDS, MOST_ROUNDS = 4, 12
FIGURES = ("message", "note", "throughput")
# Less is noise, whatever the spread; and a core that others do not use gives nearly all its time.
_NOISE, _FREE = 0.03, 0.9

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
class Clock:
    """Where time is read, in seconds: `wall` passes always, `cpu` only while the calling thread runs."""

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.thread_time


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one setting runs, the median of all rounds.

    Attributes:
        name: what the setting is called.
        options: as `LoadOptions` takes them.
        load: seconds to load the bundle.
        message: milliseconds for one short message alone.
        note: milliseconds for one note of about 3,000 characters alone.
        throughput: thousand characters a second over many notes.
        spreads: how far the middle half of the rounds lies apart, for each of the last three, in its unit.
    """

    name: str
    options: Mapping[str, Any]
    load: float
    message: float
    note: float
    throughput: float
    spreads: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Timings:
    """Figures of a bench, and how far they can be trusted.

    Attributes:
        settings: those that give the same answers to the bit, the default first.
        providers: other execution providers that run here.
        failed: why others that are installed do not run the model, by the name of the device.
        rounds: how often each was timed.
        stable: whether the last three rounds left the ranking as it was.
        free: share of their time that the cores gave, 0 to 1; less than all where something else runs on them.
    """

    settings: tuple[Speed, ...]
    providers: tuple[Speed, ...]
    failed: Mapping[str, str]
    rounds: int
    stable: bool
    free: float

    @property
    def busy(self) -> bool:
        """Say whether other work took so much of the cores that the figures show little."""
        return self.free < _FREE

    def recommended(self, *, by: str) -> Speed | None:
        """The setting to use: the default where the ranking never settled, None on a busy machine."""
        if self.busy:
            return None
        return best(self.settings, by=by) if self.stable else self.settings[0]


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
    path: str | Path | None,
    *,
    notes: Sequence[str] | None = None,
    seconds: float = 60.0,
    by: str = "throughput",
    clock: Clock | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Timings:
    """Time a bundle with each setting in turn, in rounds, until the ranking is stable.

    Args:
        path: of a model of any task; None for the bundled starter.
        notes: texts to time on, at least one; None for one of our own, many times.
        seconds: about how long all of it may take; four rounds are always run, and never more than twelve.
        by: the figure that is ranked: `throughput`, `message` or `note`.
        clock: where time is read; None for this machine's own.
        progress: told each round.
    """
    texts, clock = [NOTE] * 8 if notes is None else list(notes), clock or Clock()
    end = clock.wall() + seconds
    with ExitStack() as open_models:
        tried, failed = _load(path, clock, open_models)
        slot = seconds / MOST_ROUNDS / len(tried) / 4
        rankings: list[tuple[str, ...]] = []
        free: list[float] = []
        while not _settled(rankings) and len(rankings) < MOST_ROUNDS:
            if len(rankings) >= FEWEST_ROUNDS and clock.wall() >= end:
                break
            progress(f"round {len(rankings) + 1}")
            free.append(free_share(clock))
            for one in list(tried):
                try:
                    one.time(texts, slot, clock)
                except ClinspanError as error:
                    if "device" not in one.options:
                        raise
                    failed[one.options["device"]] = error.reason
                    tried.remove(one)
            timings = [one.speed() for one in tried]
            rankings.append(_ranking(timings, by))
    own = tuple(timing for timing in timings if "device" not in timing.options)
    return Timings(
        own, tuple(timings[len(own) :]), failed, len(rankings), _settled(rankings), float(median(free))
    )


def free_share(clock: Clock, cores: int | None = None) -> float:
    """Share of their time that the cores give this process, 0 to 1, by threads that compute and never wait.

    The load average is the host's, also in a container; this sees other work, and a quota that is used up, anywhere.
    """
    content = bytes(1 << 20)

    def work(_: int) -> tuple[float, float]:
        wall, cpu = clock.wall(), clock.cpu()
        digest = hashlib.sha256()
        for _ in range(48):
            digest.update(content)  # without the interpreter's lock
        return clock.wall() - wall, clock.cpu() - cpu

    count = cores or available_cores()
    with ThreadPoolExecutor(count) as pool:
        spent = list(pool.map(work, range(count)))
    return min(1.0, sum(cpu for _, cpu in spent) / max(1e-9, sum(wall for wall, _ in spent)))


class _Tried:
    """One loaded setting, with the figures of its rounds."""

    def __init__(self, name: str, options: Mapping[str, Any], model: AnyModel, load: float) -> None:
        self.name, self.options, self.model, self.load = name, options, model, load
        self.figures: dict[str, list[float]] = {name: [] for name in FIGURES}

    def time(self, notes: Sequence[str], seconds: float, clock: Clock) -> None:
        """Run a round; the first call is not counted, since another model has just used the caches."""
        longest = max(notes, key=len)
        ask_one(self.model, MESSAGE)
        message = _median_of(lambda: ask_one(self.model, MESSAGE), 3, seconds, clock)
        note = _median_of(lambda: ask_one(self.model, longest), 1, seconds, clock)
        many = _median_of(lambda: list(ask_many(self.model, notes)), 1, 2 * seconds, clock)
        self.figures["message"].append(message * 1000)
        self.figures["note"].append(note * 1000)
        self.figures["throughput"].append(sum(map(len, notes)) / many / 1000)

    def speed(self) -> Speed:
        """Sum up the rounds so far."""
        spreads = {
            name: float(np.subtract(*np.quantile(each, [0.75, 0.25]))) for name, each in self.figures.items()
        }
        message, note, throughput = (median(self.figures[name]) for name in FIGURES)
        return Speed(self.name, self.options, self.load, message, note, throughput, spreads)


def _load(path: str | Path | None, clock: Clock, models: ExitStack) -> tuple[list[_Tried], dict[str, str]]:
    """Load a bundle with each setting and, where it runs, on each other execution provider; those that fail, with why."""
    tried: list[_Tried] = []
    failed: dict[str, str] = {}
    devices = {f"on {kind}": {"device": kind} for kind in available_kinds() if kind != "cpu"}
    for name, options in {**settings(available_cores()), **devices}.items():
        began = clock.wall()
        try:
            model = load_any(path, LoadOptions(**options))
            models.callback(model.close)
            load = clock.wall() - began
            ask_one(model, MESSAGE)
        except ClinspanError as error:
            if name not in devices:
                raise
            failed[devices[name]["device"]] = error.reason
            continue
        tried.append(_Tried(name, options, model, load))
    # The sessions for lone messages load in the background.
    time.sleep(min(1.0, 2 * max(one.load for one in tried)))
    return tried, failed


def _median_of(call: Callable[[], object], fewest: int, seconds: float, clock: Clock) -> float:
    """Measure the median seconds of a call, repeated for about `seconds`."""
    times: list[float] = []
    end = clock.wall() + seconds
    while len(times) < fewest or clock.wall() < end:
        began = clock.wall()
        call()
        times.append(clock.wall() - began)
    return max(1e-9, median(times))


def _ranking(timings: Sequence[Speed], by: str) -> tuple[str, ...]:
    own = [timing for timing in timings if "device" not in timing.options]
    return best(own, by=by).name, *(standing(timing, timings[0], by=by) for timing in timings[1:])


def _settled(rankings: Sequence[tuple[str, ...]]) -> bool:
    """Say whether the last three rounds left the ranking as it was; the first round alone has no spread."""
    return len(rankings) >= FEWEST_ROUNDS and len(set(rankings[-3:])) == 1


def standing(timing: Speed, other: Speed, *, by: str) -> str:
    """Say whether a setting is `faster` or `slower` than another, or a `tie`: apart by less than the rounds spread, or 3 %."""
    one, two = getattr(timing, by), getattr(other, by)
    if abs(one - two) <= max(timing.spreads[by], other.spreads[by], _NOISE * min(one, two)):
        return "tie"
    return "faster" if (one > two) == (by == "throughput") else "slower"


def best(timings: Sequence[Speed], *, by: str) -> Speed:
    """Choose the fastest setting: the default, unless another is faster by more than the rounds spread.

    Args:
        timings: the default first; of those that tie for the fastest, the first is taken.
        by: `throughput`, `message` or `note`.
    """
    faster = [timing for timing in timings if standing(timing, timings[0], by=by) == "faster"]
    if not faster:
        return timings[0]
    fastest = max(faster, key=lambda timing: getattr(timing, by) * (1 if by == "throughput" else -1))
    return next(timing for timing in faster if standing(timing, fastest, by=by) != "slower")
