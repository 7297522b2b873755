"""Thousand characters a second over long notes, clinspan beside what people would use instead.

python -m benchmarks.throughput --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR     6 minutes a round
... --threads 2 1      also on one core, every fourth note, each library at its best: 1.5 minutes more
"""

from __future__ import annotations

import argparse

from benchmarks.harness import arguments, compare


def main(options: argparse.Namespace) -> None:
    """Ask it for each number of threads; the first reads all notes."""
    for threads in options.threads:
        compare("throughput", options, threads=threads, every=1 if threads == options.threads[0] else 4)


if __name__ == "__main__":
    main(arguments(__doc__ or "").parse_args())
