"""How many cores this process may use, whatever the host has."""

from __future__ import annotations

import math
import os
from pathlib import Path


def available_cores() -> int:
    """Cores that this process may use: its CPU affinity and its cgroup's quota, not the host's cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """CPU quota in cores, the tightest from this process's cgroup up to the root; None without one."""
    quotas: list[float] = []
    try:
        entries = own.read_text().splitlines()
    except OSError:
        entries = []
    for entry in entries or ["0::/"]:
        _, _, place = entry.partition(":")
        controllers, _, path = place.partition(":")
        base = root if controllers == "" else root / "cpu" if "cpu" in controllers.split(",") else None
        if base is None:
            continue
        folder = base / path.lstrip("/")
        for level in [folder, *folder.parents]:
            quotas.extend(_quota_of(level))
            if level == base:
                break
    return min(quotas, default=None)


def _quota_of(folder: Path) -> list[float]:
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        elif (folder / "cpu.cfs_quota_us").is_file():
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        else:
            return []
        return [int(quota) / int(period)] if quota not in ("max", "-1") else []
    except (OSError, ValueError):
        return []
