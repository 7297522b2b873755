"""Skips are listed: a test that is skipped for a reason that `tests/skips.txt` does not name fails instead."""

from __future__ import annotations

import re
from collections.abc import Generator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from tests.support.example_notes import ROOT

LIST = ROOT / "tests" / "skips.txt"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at the report of every test."""
    report = yield
    _refuse_unlisted(report, item.path)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at the report of every file, which `importorskip` may skip as a whole."""
    report = yield
    _refuse_unlisted(report, collector.path)
    return report


def _refuse_unlisted(report: pytest.TestReport | pytest.CollectReport, path: Path) -> None:
    if report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = said.removeprefix("Skipped: ")
    if not listed(path, reason):
        report.outcome = "failed"
        report.longrepr = f"{path.name} was skipped for a reason that {LIST.name} does not list: {reason}"


def listed(path: Path, reason: str) -> bool:
    """Whether a file may be skipped, as a whole or in part, for a reason."""
    inside = path.relative_to(LIST.parent) if path.is_relative_to(LIST.parent) else path
    return any(fnmatch(inside.as_posix(), files) and reasons.fullmatch(reason) for files, reasons in _lines())


@cache
def _lines() -> tuple[tuple[str, re.Pattern[str]], ...]:
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    pairs = [line.split("|", 1) for line in lines]
    return tuple((files.strip(), re.compile(reason.strip(), re.DOTALL)) for files, reason in pairs)
