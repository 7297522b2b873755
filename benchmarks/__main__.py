"""All comparisons with other libraries, one after the other, and their tables.

python -m benchmarks --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR [--python openmed=PATH] ...
"""

from __future__ import annotations

from benchmarks import table
from benchmarks.harness import arguments, compare

if __name__ == "__main__":
    options = arguments(__doc__ or "").parse_args()
    for question in ("throughput", "latency", "coldstart"):
        compare(question, options)
    compare("memory", options, repeats=10)
    table.main()
