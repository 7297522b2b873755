"""Latency of one text at a time: a short message, a typical note, a long note.

python -m benchmarks.latency --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR        5 minutes a round
... --threads 2 1                        also on one core, each library at its best: 3.5 minutes more
"""

from __future__ import annotations

import argparse

from benchmarks.harness import arguments, compare


def main(options: argparse.Namespace) -> None:
    """Ask it for each number of threads."""
    for threads in options.threads:
        compare("latency", options, threads=threads)


if __name__ == "__main__":
    main(arguments(__doc__ or "").parse_args())
