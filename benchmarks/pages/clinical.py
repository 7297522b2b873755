"""Tables of the clinical rules beside other libraries."""

from __future__ import annotations

from typing import Any

from benchmarks.pages.labels import table
from benchmarks.run.record import rows

_NAMES = {
    "clinspan": "clinspan",
    "negspacy": "negspacy",
    "medspacy": "medSpaCy ConText",
    "edsnlp": "edsnlp, English terms",
    "openmed": "OpenMed",
    "clinspan_regimens": "clinspan",
    "nearest_drug": "the nearest drug",
    "openmed_links": "OpenMed",
}
_KINDS = {
    "negex_dev_negated": "NegEx kit: negated",
    "negex_dev_historical": "historical",
    "negex_dev_hypothetical": "hypothetical",
    "phee_test_negated": "PHEE test: negated",
    "phee_test_uncertain": "speculated",
}
_SETS = {
    "phee_test_all_gold": "PHEE test",
    "phee_test_several_drugs_gold": "of two drugs or more",
    "maccrobat_test_all_gold": "MACCROBAT test",
    "maccrobat_test_several_drugs_gold": "of two drugs or more",
    "phee_test_starter": "PHEE test, starter's spans",
    "phee_test_starter_three": "strength, route, frequency",
    "maccrobat_test_starter": "MACCROBAT test, starter's spans",
    "maccrobat_test_starter_three": "strength, route, frequency",
}


def assertion() -> str:
    """F1 by kind, and what a library costs."""
    lines = [
        (
            _NAMES[name],
            *(_figure(row, kind) for kind in _KINDS),
            f"{row['microseconds_a_note']:,.0f}",
            f"{1000 * row['import_seconds']:,.0f}",
            f"{1000 * row['first_answer_seconds']:,.0f}",
            f"{row['peak_mb']:.0f}",
        )
        for name, row in rows("assertion").items()
    ]
    costs = ("CPU µs a note", "import, CPU ms", "first answer, CPU ms", "peak MB")
    return table(("F1", *_KINDS.values(), *costs), lines)


def regimens() -> str:
    """F1 of pairs of a drug and a part, by set."""
    found = rows("regimens")
    lines = [(what, *(_figure(row, key) for row in found.values())) for key, what in _SETS.items()]
    return table(("F1", *(_NAMES[name] for name in found)), lines)


def _figure(row: dict[str, Any], key: str) -> str:
    return f"{row[key]:.3f}" if key in row else "–"


def negation_f1() -> float:
    """F1 of negation on the NegEx kit."""
    return float(rows("assertion")["clinspan"]["negex_dev_negated"])


def import_times() -> float:
    """How many times faster than medSpaCy the rules are imported."""
    found = rows("assertion")
    return float(found["medspacy"]["import_seconds"] / found["clinspan"]["import_seconds"])


def milliseconds_a_note() -> float:
    """CPU time of assertion for a note."""
    return float(rows("assertion")["clinspan"]["microseconds_a_note"]) / 1000


def ahead_of(variant: str, key: str) -> float:
    """F1 of pairs less another rule's."""
    found = rows("regimens")
    return float(found["clinspan_regimens"][key] - found[variant][key])
