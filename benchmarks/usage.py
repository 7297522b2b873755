"""Memory that this process takes, in MB of a million bytes, as Linux counts it."""

from __future__ import annotations

import resource
from pathlib import Path


def resident() -> float:
    """In use now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def peak() -> float:
    """Most that was in use since the program started.

    Not `ru_maxrss`: a process that is started by a larger one inherits that one's.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
