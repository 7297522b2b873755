"""Memory of one process: after one note, after all, after a stream of short ones, and at its peak with a very long one.

python -m benchmarks.memory --bundle BUNDLE --checkpoint CHECKPOINT --notes DIR --variants "clinspan int8"     1 minute a round

With all variants it takes 15 minutes a round. `benchmarks.growth` follows 10,000 notes and notes of up to 5 million characters.
"""

from __future__ import annotations

from benchmarks.harness import arguments, compare

if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--repeats", type=int, default=1, help="thousands of short messages")
    parser.add_argument("--long-characters", type=int, default=500_000, help="length of the long note")
    options = parser.parse_args()
    compare("memory", options, repeats=options.repeats, long_characters=options.long_characters)
