"""Helpers that the tests, the fuzzers and the benchmarks share."""
