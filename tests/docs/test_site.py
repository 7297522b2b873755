"""The site has every page and every public name, and its picture is of today's answers."""

from __future__ import annotations

import importlib
import re
import runpy

import pytest
from tests.support.example_notes import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / "mkdocs.yml").exists(), reason="this is not a checkout")

DOCS = ROOT / "docs"
# Public places -> page of the reference.
FACES = ["clinspan", "clinspan.clinical", "clinspan.serving", "clinspan_export"]


def test_every_page_is_in_the_navigation() -> None:
    """And nothing is there that does not exist, except what the hook brings from elsewhere."""
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"[\w/-]+\.md", settings.partition("\nnav:\n")[2])
    elsewhere = re.findall(
        r'": "([\w-]+\.md)"', (ROOT / "scripts" / "site_pages.py").read_text(encoding="utf-8")
    )
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert sorted(named) == sorted([*pages, *elsewhere])


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_is_in_the_reference(face: str) -> None:
    """A name of `__all__` stands on a page as itself, or in a module that a page shows whole."""
    pages = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("reference/*.md"))
    shown = set(re.findall(r"^::: ([\w.]+)$", pages, re.MULTILINE))
    modules = {name for name in shown if name.rpartition(".")[2].islower()}
    faces = importlib.import_module(face)
    missing = []
    for name in faces.__all__:
        if name.startswith("__") or name in ("Handler", "Sink"):  # a version, and two shapes of functions
            continue
        home = getattr(faces, name).__module__
        if f"{home}.{name}" not in shown and home not in modules:
            missing.append(f"{home}.{name}")
    assert missing == []


def test_the_picture_shows_what_the_starter_finds_today() -> None:
    """It carries the hash of its HTML: after a change of the starter or of the page, `scripts/picture.py` draws it again."""
    drawing = runpy.run_path(str(ROOT / "scripts" / "picture.py"))
    picture = (DOCS / "img" / "highlighted.png").read_bytes()
    assert drawing["shown"](picture) == drawing["digest"](drawing["html"]()), "run scripts/picture.py"
