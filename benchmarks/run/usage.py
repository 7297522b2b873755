"""Memory that a process takes, in MB of a million bytes, as Linux counts it."""

from __future__ import annotations

import resource
from pathlib import Path


def resident(pid: int | str = "self") -> float:
    """In use now; 0 for a process that has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        return 0.0


def peak(pid: int | str = "self") -> float:
    """Most that was in use since the program started.

    Not `ru_maxrss`: a process that is started by a larger one inherits that one's.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))
