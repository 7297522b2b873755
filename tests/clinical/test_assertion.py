"""Notes deny, doubt and qualify their findings."""

from __future__ import annotations

import pytest
from tests.support.marked import DATA, LABELS, Marked, read_marked

from clinspan.clinical import assertions

SENTENCES = read_marked(DATA / "assertion_sentences.txt", LABELS)


@pytest.mark.parametrize("marked", SENTENCES, ids=lambda marked: marked.name)
def test_a_finding_means_what_a_reader_takes_it_to_mean(marked: Marked) -> None:
    """Every span has the kinds that its mark names and no other, and every cue lies where it says."""
    found = assertions(marked.note, marked.spans)
    assert [{cue.kind for cue in each.cues} for each in found] == marked.answers
    for each in found:
        assert all(marked.note[cue.start : cue.end] == cue.text for cue in each.cues)
