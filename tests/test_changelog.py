"""The changelog, the citation and the package speak of the same release."""

from __future__ import annotations

import re
from datetime import date
from importlib import import_module
from pathlib import Path

import pytest

import clinspan

ROOT = Path(__file__).parents[1]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
RELEASE = re.compile(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", re.MULTILINE)


def test_the_newest_section_is_the_version_of_the_package() -> None:
    """A version cannot be released without a section that says what it changes."""
    assert RELEASE.findall(CHANGELOG)[0][0] == clinspan.__version__


def test_every_section_has_a_version_and_a_date_and_the_newest_is_first() -> None:
    """Sections are `## VERSION (YYYY-MM-DD)` and nothing else, so that programs can read them."""
    sections = re.findall(r"^## .*$", CHANGELOG, re.MULTILINE)
    releases = RELEASE.findall(CHANGELOG)
    assert len(releases) == len(sections)
    dates = [date.fromisoformat(day) for _, day in releases]
    assert dates == sorted(dates, reverse=True)


def test_every_name_that_the_changelog_mentions_exists() -> None:
    """A name such as `clinspan.Recognizer.pipe` can be imported as it is written."""
    names = re.findall(r"`(clinspan(?:\.\w+)+)`", CHANGELOG)
    assert names
    for name in names:
        found: object = clinspan
        for part in name.split(".")[1:]:
            if not hasattr(found, part):
                import_module(f"{getattr(found, '__name__', '')}.{part}")
            found = getattr(found, part)


@pytest.mark.skipif(not (ROOT / "CITATION.cff").is_file(), reason="this is not a checkout")
def test_the_citation_names_the_release() -> None:
    """Version and date of CITATION.cff are those of the changelog."""
    citation = dict(re.findall(r"^([\w-]+): (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE))
    version, day = RELEASE.findall(CHANGELOG)[0]
    assert (citation["version"], citation["date-released"]) == (version, day)
