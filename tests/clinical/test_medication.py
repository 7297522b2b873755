"""Which parts belong to which drug."""

from __future__ import annotations

from collections import defaultdict

import pytest
from tests.support.marked import DATA, PARTS, Marked, read_marked

from clinspan.clinical import regimens
from clinspan.text.decode import Span

PASSAGES = read_marked(DATA / "medication_passages.txt", PARTS)

# A regimen as spans: the drug, its parts, whether it was replaced.
Plain = tuple[Span, frozenset[Span], bool]


def expected(marked: Marked) -> list[Plain]:
    """Read the regimens that a passage's marks mean."""
    drugs = {
        owner: span for owner, span in zip(marked.owners, marked.spans, strict=True) if span.label == "DRUG"
    }
    doses: dict[tuple[str, str], set[Span]] = defaultdict(set)
    replaced = set()
    for owners, span in zip(marked.owners, marked.spans, strict=True):
        for owner in owners.split(","):
            number = owner.rstrip("abcdefghij!")
            if span.label != "DRUG" and number != "-":
                dose = (number, owner.rstrip("!")[len(number) :])
                doses[dose].add(span)
                replaced |= {dose} if owner.endswith("!") else set()
    found = []
    for number, drug in drugs.items():
        own = sorted(dose for dose in doses if dose[0] == number) or [(number, "")]
        found += [(drug, frozenset(doses[dose]), dose in replaced) for dose in own]
    return found


@pytest.mark.parametrize("marked", PASSAGES, ids=lambda marked: marked.name)
def test_a_passage_gives_the_regimens_that_it_means(marked: Marked) -> None:
    """Every drug has its parts, step by step, and nothing is attached that the text does not attach."""
    found = [
        (each.drug, frozenset(span for _, span in each.parts()), each.replaced)
        for each in regimens(marked.note, marked.spans)
    ]
    assert found == expected(marked)
