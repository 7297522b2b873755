"""Latency of one text at a time: a short message, a typical note, a long note.

python -m benchmarks.latency --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR
"""

from __future__ import annotations

from benchmarks.harness import arguments, compare

if __name__ == "__main__":
    compare("latency", arguments(__doc__ or "").parse_args())
