"""Measurements of clinspan: time, memory, size and quality. See README.md in this folder."""
