"""Seconds from the start of a fresh process to its first spans, model files warm on disk.

python -m benchmarks.coldstart --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR      45 seconds a round

The floor beside them is a process that imports numpy, tokenizers and onnxruntime, makes a session and runs it once.
"""

from __future__ import annotations

from benchmarks.harness import arguments, compare

if __name__ == "__main__":
    compare("coldstart", arguments(__doc__ or "").parse_args(), floor=True)
