"""Exact-span F1 against gold: a span counts where label, start and end are all equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one label, or of all together.

    Attributes:
        gold: spans in the gold.
        found: spans that the model finds.
        right: spans in both.
    """

    gold: int
    found: int
    right: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1.0 where there is nothing to find and nothing was found."""
        total = self.gold + self.found
        return 2 * self.right / total if total else 1.0

    @property
    def precision(self) -> float:
        """Share of the found spans that are right."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the gold spans that were found."""
        return self.right / self.gold if self.gold else 1.0

    def as_json(self) -> dict[str, float | int]:
        """Record for the manifest."""
        return {
            "f1": round(self.f1, 4),
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "gold": self.gold,
            "found": self.found,
            "right": self.right,
        }


def score(pairs: Iterable[tuple[Iterable[Place], Iterable[Place]]]) -> tuple[Score, Mapping[str, Score]]:
    """Micro scores over some notes.

    Args:
        pairs: gold and found places of each note: label, start, end.

    Returns:
        The score of all labels together, and that of each label, in alphabetical order.

    >>> score([([("TEST", 0, 3)], [("TEST", 0, 3), ("DRUG", 5, 9)])])[0].f1
    0.6666666666666666
    """
    counts: dict[str, list[int]] = {}
    for gold, found in pairs:
        gold, found = set(gold), set(found)
        for column, places in enumerate((gold, found, gold & found)):
            for label, _, _ in places:
                counts.setdefault(label, [0, 0, 0])[column] += 1
    per_label = {label: Score(*counts[label]) for label in sorted(counts)}
    total = Score(*(sum(row[column] for row in counts.values()) for column in range(3)))
    return total, per_label
