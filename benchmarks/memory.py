"""Memory: after one note, after all, after thousands, and for one note of 5 million characters.

python -m benchmarks.memory --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR
"""

from __future__ import annotations

from benchmarks.harness import arguments, compare

if __name__ == "__main__":
    compare("memory", arguments(__doc__ or "").parse_args(), repeats=10, long_characters=5_000_000)
