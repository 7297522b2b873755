"""What the checks on load cost: full (sizes, hashes, whether the parts fit), size (no hashes) and off.

    python -m benchmarks.verify [--bundle BUNDLE --name NAME]

CPU time of a load on one thread in one process, the three in turn; the file is in the page cache.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

from benchmarks.record import save
from clinspan import Recognizer
from clinspan.bundle.integrity import VERIFY
from clinspan.bundle.loading import STARTER

LOADS = 15


def main() -> None:
    """Measure a bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", default=str(STARTER))
    parser.add_argument("--name", default="starter", help="what to call the bundle in the result's name")
    options = parser.parse_args()
    times: dict[str, list[float]] = {verify: [] for verify in VERIFY}
    for _ in range(LOADS):
        for verify, taken in times.items():
            begin = time.process_time()
            Recognizer.load(options.bundle, threads=1, verify=verify).close()
            taken.append(time.process_time() - begin)
    medians = {verify: median(taken) for verify, taken in times.items()}
    save(
        f"verify_{options.name}",
        {f"CPU seconds of a load, {verify}": seconds for verify, seconds in medians.items()},
        loads=LOADS,
        megabytes=sum(path.stat().st_size for path in Path(options.bundle).glob("onnx/*int8*")) / 1e6,
    )
    for verify, seconds in medians.items():
        print(f"{verify:6}{1000 * seconds:8.0f} ms")


if __name__ == "__main__":
    main()
