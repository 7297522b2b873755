"""Figures in the README and in docs/evidence/performance.md are those of the results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs" / "evidence" / "performance.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_made_from_the_results(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table between marks is what `python -m benchmarks.table --write` writes there."""
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("this is no checkout")
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delenv("BENCH_RESULTS", raising=False)
    from benchmarks.table import made

    tables, _ = made()
    found = re.findall(
        r"<!-- table (\w+) -->\n(.*?)<!-- end -->", page.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found
    for name, text in found:
        assert text.strip() == tables.get(name, ""), f"{name}: run python -m benchmarks.table --write"
