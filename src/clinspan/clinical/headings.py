"""The sections of a note: where its headings are and what kind each is."""

from __future__ import annotations

from clinspan.clinical.records import Section


def sections(note: str) -> list[Section]:
    """Cut a note at its headings.

    Args:
        note: the text.

    Returns:
        Sections in note order that partition [0, len(note)); one of kind `none` where there is no heading.
    """
    return [Section("none", "", 0, 0, len(note))]
