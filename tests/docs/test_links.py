"""Links and paths on the pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "src/clinspan/starter/README.md"])
LINK = re.compile(r"\]\(([^)\s#]*)(#[^)\s]*)?\)")
FORGE = r"(?:github\.com/clinspan/clinspan/blob/main|raw\.githubusercontent\.com/clinspan/clinspan/main)/"
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def slug(heading: str) -> str:
    """Return the anchor that a forge gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.skipif(not (ROOT / "docs" / "evidence").is_dir(), reason="this is not a checkout")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    """A relative link names a file of the repository, and its anchor a heading of that file."""
    text = page.read_text(encoding="utf-8")
    for place in re.findall(FORGE + r"([^)\s#]+)", text):
        assert (ROOT / place).exists(), f"{page.name} links to {place} on the forge, which is not there"
    for target, anchor in LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name} links to {target}, which is not there"
        if anchor:
            headings = map(slug, HEADING.findall(file.read_text(encoding="utf-8")))
            assert anchor[1:] in set(headings), f"{page.name} links to {target}{anchor}, which is not there"


@pytest.mark.skipif(not (ROOT / "docs" / "evidence").is_dir(), reason="this is not a checkout")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_in_code_marks_is_a_file(page: Path) -> None:
    """A path such as `tests/text/test_decode.py` that a page names is in the repository."""
    roots = "src|export|tests|benchmarks|docs|scripts|fuzz|examples|requirements"
    for path in re.findall(rf"`((?:{roots})/[\w./\-*]*)`", page.read_text(encoding="utf-8")):
        found = any(ROOT.glob(path)) if "*" in path else (ROOT / path).exists()
        assert found, f"{page.name} names {path}, which is not there"


@pytest.mark.skipif(not (ROOT / "docs" / "evidence").is_dir(), reason="this is not a checkout")
def test_the_readme_links_by_full_addresses() -> None:
    """PyPI shows it too, where a relative link leads nowhere."""
    targets = [target for target, _ in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))]
    assert targets
    assert [target for target in targets if "://" not in target] == []
