"""Tables for the README and docs/performance.md, from the results that are there.

python -m benchmarks.table
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.harness import OURS
from benchmarks.record import RESULTS


def main() -> None:
    """Print every table whose results exist."""
    for name, table in (("throughput", throughput), ("latency", latency), ("coldstart", coldstart)):
        path = RESULTS / f"{name}.json"
        if path.is_file():
            print(f"\n{name}\n\n{table(json.loads(path.read_text(encoding='utf-8'))['results'])}")


def throughput(results: Mapping[str, Any]) -> str:
    """Thousand characters a second and how many times faster clinspan int8 is."""
    ours = results[OURS]["kchars/s"]
    return _markdown(
        ("", "thousand characters/s", "clinspan int8 is faster by", "peak MB"),
        [
            (name, f"{row['kchars/s']:.1f}", f"{ours / row['kchars/s']:.1f}x", f"{row['peak MB']:.0f}")
            for name, row in results.items()
        ],
    )


def latency(results: Mapping[str, Any]) -> str:
    """Median milliseconds of three lengths, and the ratio for the short one."""
    ours = results[OURS]["short"]["p50 ms"]
    return _markdown(
        ("p50 in ms", "short message", "typical note", "long note", "short: clinspan int8 is lower by"),
        [
            (
                name,
                *(f"{row[text]['p50 ms']:.0f}" for text in ("short", "typical", "long")),
                f"{row['short']['p50 ms'] / ours:.1f}x",
            )
            for name, row in results.items()
        ],
    )


def coldstart(results: Mapping[str, Any]) -> str:
    """Seconds to the first spans."""
    ours = results[OURS]["seconds to first spans"]
    return _markdown(
        ("", "seconds to first spans", "clinspan int8 is faster by"),
        [
            (name, f"{row['seconds to first spans']:.2f}", f"{row['seconds to first spans'] / ours:.1f}x")
            for name, row in results.items()
        ],
    )


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
