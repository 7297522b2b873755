"""What this project set out to reach, what was measured, and whether it is met; from the results that are there.

python -m benchmarks.targets
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.harness import OURS
from benchmarks.peers import FLOOR
from benchmarks.record import RESULTS

Row = tuple[str, str, str, str]


def main() -> None:
    """Print the table."""
    print(table())


def table() -> str:
    """Markdown table of all targets; those whose benchmark has not run say so."""
    lines = [("", "target", "measured", "met"), ("---",) * 4, *rows()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def result(name: str) -> Any:
    """The results of one benchmark, or None."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else None


def rows() -> Iterator[Row]:
    """Every target: what, at least or at most, measured, met."""
    speed = "throughput against"
    yield _least(f"{speed} transformers torch fp32, stride 128", 10, "x", _speed("transformers fp32"))
    yield _least(f"{speed} OpenMed int8 at its best settings", 1.7, "x", _speed("openmed int8, best"))
    yield _least(f"{speed} optimum int8 at its best settings", 2.3, "x", _speed("optimum int8, best"))
    yield _least("share of onnxruntime's int8 matrix peak", 75, " %", lambda: 100 * result("peak")["share"])
    yield _least("p50 of a short message, against transformers fp32", 4, "x", _latency)
    yield _least("cold start, against transformers fp32", 12, "x", _cold("transformers fp32"))
    yield _most("cold start, against bare onnxruntime", 1.5, "x", lambda: 1 / _cold(FLOOR)())
    yield _most("peak memory, BERT-base int8", 300, " MB", lambda: _memory()["peak MB"])
    yield _most("more memory after 10,000 notes than after 1,000", 5, " MB", _many)
    yield _most("peak memory more for a note of 5 million characters", 100, " MB", _long)
    yield _most("time outside session.run, long notes", 3, " %", _outside("long notes"))
    yield _most("time outside session.run, short messages", 10, " %", _outside("short messages"))
    yield _most("speed, 10,000 to 5 million characters, from its mean", 10, " %", _linear)
    yield _least("reuse on notes copied forward", 1.8, "x", _reuse)
    for path in sorted(RESULTS.glob("quality_*.json")):
        name = path.stem.removeprefix("quality_")
        gap = "clinspan's test F1 less the pipeline's, its window chosen on dev"
        best = "clinspan's test F1 less the pipeline's at its best on test"
        yield _least(f"F1 less the pipeline's, {name}", -0.003, "", _of(path.stem, gap), digits=4)
        yield _least(
            f"F1 less the pipeline's at its best on test, {name}", -0.003, "", _of(path.stem, best), digits=4
        )


def _least(what: str, target: float, unit: str, measure: Callable[[], float], *, digits: int = 2) -> Row:
    return _row(what, f"at least {target:g}{unit}", unit, measure, lambda value: value >= target, digits)


def _most(what: str, target: float, unit: str, measure: Callable[[], float], *, digits: int = 2) -> Row:
    return _row(what, f"at most {target:g}{unit}", unit, measure, lambda value: value <= target, digits)


def _row(
    what: str, target: str, unit: str, measure: Callable[[], float], met: Callable[[float], bool], digits: int
) -> Row:
    try:
        value = measure()
    except (AttributeError, KeyError, TypeError):
        return what, target, "not run", ""
    text = f"{value:.{digits}f}" if abs(value) < 10 else f"{value:.0f}"
    return what, target, f"{text}{unit}", "yes" if met(value) else "**no**"


def _of(name: str, key: str) -> Callable[[], float]:
    return lambda: float(result(name)[key])


def _speed(peer: str) -> Callable[[], float]:
    return lambda: result("throughput")[OURS]["kchars/s"] / result("throughput")[peer]["kchars/s"]


def _latency() -> float:
    found = result("latency")
    return float(found["transformers fp32"]["short"]["p50 ms"] / found[OURS]["short"]["p50 ms"])


def _cold(peer: str) -> Callable[[], float]:
    key = "seconds to first spans"
    return lambda: result("coldstart")[peer][key] / result("coldstart")[OURS][key]


def _memory() -> Any:
    return result("memory")[OURS]


def _many() -> float:
    found = result("growth")["many notes"]
    return float(found["MB after 10000"] - found["MB after 1000"])


def _long() -> float:
    return float(result("growth_starter")["by length"]["5000000"]["peak MB more than before"])


def _outside(kind: str) -> Callable[[], float]:
    return lambda: 100 * result("overhead")[kind]["share outside session.run"]


def _linear() -> float:
    return 100 * float(result("growth_starter")["speed from 10000 characters on, farthest from its mean"])


def _reuse() -> float:
    return float(result("reuse")["reuse=512"]["times faster than reuse off"])


if __name__ == "__main__":
    main()
