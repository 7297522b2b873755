"""Tell how two sets of spans of the same notes differ: lost, gained, moved, relabelled; per label and note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from clinspan.text.decode import Span

KINDS = ("lost", "gained", "moved", "relabelled")


@dataclass(frozen=True, slots=True)
class Change:
    """One span that is not the same on both sides.

    Attributes:
        kind: `relabelled` where only the label differs, `moved` where the label is the same and the spans
            overlap, `lost` or `gained` where the other side has no such span.
        note: id of the note.
        expected, found: the span on each side; None where that side has none.
    """

    kind: str
    note: str
    expected: Span | None
    found: Span | None

    @property
    def label(self) -> str:
        """The expected label, or the found one of a gained span."""
        span = self.expected or self.found
        return span.label if span else ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Spans of both sides, counted. Same means equal label, start and end."""

    expected: int = 0
    found: int = 0
    same: int = 0
    lost: int = 0
    gained: int = 0
    moved: int = 0
    relabelled: int = 0

    @property
    def agreement(self) -> float:
        """F1 of one side's spans against the other's, the same either way.

        1.0 where neither has any: two models that find nothing agree, though neither scores against annotations.
        """
        total = self.expected + self.found
        return 2 * self.same / total if total else 1.0

    @property
    def changed(self) -> int:
        """Spans that differ in any way."""
        return self.lost + self.gained + self.moved + self.relabelled

    def as_json(self) -> dict[str, float | int]:
        """Record for the manifest."""
        return {
            "span_agreement_f1": round(self.agreement, 4),
            "spans_torch": self.expected,
            "spans_onnx": self.found,
            "spans_same": self.same,
            **{kind: getattr(self, kind) for kind in KINDS},
        }


def changes(note: str, expected: Sequence[Span], found: Sequence[Span]) -> list[Change]:
    """List the spans that differ in one note.

    Args:
        note: its id.
        expected: one side's spans, in note order, without overlaps.
        found: the other side's.
    """
    same = _places(expected) & _places(found)
    left = [span for span in expected if _place(span) not in same]
    right = [span for span in found if _place(span) not in same]
    result = []
    for span in left:
        twin = _partner(span, right)
        if twin is not None:
            right.remove(twin)
        kind = "lost" if twin is None else "moved" if twin.label == span.label else "relabelled"
        result.append(Change(kind, note, span, twin))
    return result + [Change("gained", note, None, span) for span in right]


def count(
    expected: Iterable[Sequence[Span]], found: Iterable[Sequence[Span]], changed: Iterable[Change]
) -> tuple[Counts, Mapping[str, Counts]]:
    """Count all spans of some notes and those that differ.

    Returns:
        The counts of all labels together, and those of each label that occurs, in alphabetical order.
    """
    theirs = Counter(span.label for span in chain.from_iterable(expected))
    ours = Counter(span.label for span in chain.from_iterable(found))
    kinds = Counter((change.label, change.kind) for change in changed)
    per_label = {}
    for label in sorted(theirs | ours):
        several = {kind: kinds[label, kind] for kind in KINDS}
        same = theirs[label] - several["lost"] - several["moved"] - several["relabelled"]
        per_label[label] = Counts(theirs[label], ours[label], same, **several)
    return _sum(per_label.values()), per_label


def _sum(counts: Iterable[Counts]) -> Counts:
    rows = list(counts)
    names = ("expected", "found", "same", *KINDS)
    return Counts(**{name: sum(getattr(row, name) for row in rows) for name in names})


def _partner(span: Span, others: Sequence[Span]) -> Span | None:
    for other in others:
        if (other.start, other.end) == (span.start, span.end):
            return other
    for other in others:
        if other.label == span.label and other.start < span.end and span.start < other.end:
            return other
    return None


def _place(span: Span) -> tuple[str, int, int]:
    return span.label, span.start, span.end


def _places(spans: Iterable[Span]) -> set[tuple[str, int, int]]:
    return {_place(span) for span in spans}
