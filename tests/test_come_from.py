"""The lines of docs/come-from.md and docs/formats.md run as they stand, ours and those they are compared with."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from tests.support.example_notes import ROOT

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    (page, number, code)
    for page in ("come-from.md", "formats.md")
    for number, code in enumerate(BLOCK.findall(Path(ROOT, "docs", page).read_text(encoding="utf-8")))
]
OURS = [block for block in BLOCKS if not block[2].startswith("# before")]
SAID = {
    ("come-from.md", 1): "PROBLEM pneumonia 8",
    ("come-from.md", 3): "PROBLEM pneumonia",
    ("come-from.md", 5): "('DRUG', 'Magnesium hydroxide')",
    ("come-from.md", 7): "[('fever', ['DIAGNOSIS', 'NEGATION']), ('aspirin', [])]",
    ("come-from.md", 8): "PROBLEM {'content': 'pneumonia', 'beginOffset': 8}",
    ("come-from.md", 10): "[('PROBLEM', 'pneumonia', 8, 17)]",
    ("formats.md", 0): "True Condition",
}


@pytest.mark.filterwarnings("ignore")  # of spaCy, at import
@pytest.mark.parametrize(
    ("page", "number", "code"), OURS, ids=[f"{page}-{number}" for page, number, _ in OURS]
)
def test_our_lines_say_what_is_expected(page: str, number: int, code: str) -> None:
    """Each block alone, as somebody copies it."""
    for name in re.findall(r"^# needs: (\w+)$", code, re.MULTILINE):
        pytest.importorskip(name)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, f"{page}, block {number}", "exec"), {"__name__": "page"})
    assert said.getvalue().strip() == SAID[page, number]
