"""Cores: the affinity mask and the cgroup's quota, not the host's processors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clinspan.engine import cores
from clinspan.engine.cores import available_cores


def test_cores_are_those_of_the_affinity_mask() -> None:
    """A process pinned to one core counts one."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity on this system")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("files", "own", "quota"),
    [
        ({"cpu.max": "150000 100000"}, "0::/", 1.5),
        ({"cpu.max": "max 100000"}, "0::/", None),
        (
            {"cpu.max": "400000 100000", "a/cpu.max": "100000 100000", "a/b/cpu.max": "max 100000"},
            "0::/a/b",
            1.0,
        ),
        ({"cpu.max": "200000 100000"}, "0::/gone/elsewhere", 2.0),
        ({"cpu/x/cpu.cfs_quota_us": "50000", "cpu/x/cpu.cfs_period_us": "100000"}, "3:cpu,cpuacct:/x", 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "3:cpu,cpuacct:/", None),
        ({}, "0::/", None),
        ({"cpu.max": "nonsense"}, "0::/", None),
    ],
    ids=["v2", "v2-max", "v2-nested", "v2-outside", "v1", "v1-none", "no-files", "broken"],
)
def test_the_quota_of_the_cgroup_is_read(
    tmp_path: Path, files: dict[str, str], own: str, quota: float | None
) -> None:
    """The tightest limit from this process's group up to the root, in both versions of cgroups."""
    for name, content in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    place = tmp_path / "cgroup"
    place.write_text(own + "\n")
    assert cores._cgroup_quota(tmp_path / "root", place) == quota


def test_a_fraction_of_a_core_is_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota is rounded up, and never down to none."""
    monkeypatch.setattr(cores, "_cgroup_quota", lambda: 0.3)
    assert available_cores() == 1
