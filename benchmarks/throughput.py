"""Thousand characters a second over long notes, clinspan beside what people would use instead.

python -m benchmarks.throughput --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR
"""

from __future__ import annotations

from benchmarks.harness import arguments, compare

if __name__ == "__main__":
    compare("throughput", arguments(__doc__ or "").parse_args())
