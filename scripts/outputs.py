#!/usr/bin/env python3
"""Write into the pages what their Python blocks print today, and draw the picture again: after a change of the starter.

    scripts/outputs.py

Blocks that need a package which is not installed keep what they show. Look at the changes before you commit them.
"""

from __future__ import annotations

import runpy
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src"), str(ROOT / "export")]

from tests.support.pages import PAGES, Program, blocks  # noqa: E402


def rewritten(page: Path) -> str:
    """Return a page with today's outputs."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        program = Program(page, Path(folder))
        changes = []
        for block in blocks(page):
            if block.language == "python" and block.shown is not None and not block.missing:
                changes.append((block.output, program.said(block)))
    for (start, end), said in reversed(changes):
        text = text[:start] + said + text[end:]
    return text


def main() -> None:
    """Rewrite every page that shows something else."""
    for page in PAGES:
        text = rewritten(page)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(page.relative_to(ROOT))
    runpy.run_path(str(ROOT / "scripts" / "picture.py"), run_name="__main__")


if __name__ == "__main__":
    main()
