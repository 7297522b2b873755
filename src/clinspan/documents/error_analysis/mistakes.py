"""Which finding answers which annotation, and what kind of error each pair is. Pure: no model, no files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clinspan.documents.document import Document, Entity

HIT, BOUNDARY, LABEL, BOTH = "hit", "boundary", "label", "label and boundary"
MISSED, ALARM = "missed", "false alarm"
ERRORS = (BOUNDARY, LABEL, BOTH, MISSED, ALARM)


@dataclass(frozen=True, slots=True)
class Pair:
    """An annotation and what was found in its place; one of them is None where the other stands alone.

    Attributes:
        kind: "hit", or one of `ERRORS`: other edges, another label, both, not found, or not annotated.
        annotated: what the annotators marked.
        found: what the model found.
        score: of the finding; None where it is not known or nothing was found.
    """

    kind: str
    annotated: Entity | None
    found: Entity | None
    score: float | None = None

    @property
    def label(self) -> str:
        """The annotation's label; that of the finding where it stands alone."""
        entity = self.annotated if self.annotated is not None else self.found
        assert entity is not None
        return entity.label


def pairs(
    document: Document,
    found: Sequence[Entity],
    labels: Sequence[str],
    scores: Mapping[Entity, float] | None = None,
) -> list[Pair]:
    """Pair annotations with findings: equal ones first, then those of one label, then of one place, then the rest.

    Args:
        document: the annotations.
        found: what was found in it; as annotations, they do not overlap among themselves.
        labels: those that are scored. A finding of another label counts only as a wrong label for an annotation.
        scores: of what was found.

    Returns:
        Pairs in the order of the text. Each entity is in one.

    >>> note = Document("1", "severe chest pain", (Entity(7, 17, "PROBLEM"),))
    >>> [pair.kind for pair in pairs(note, [Entity(0, 17, "PROBLEM")], ["PROBLEM"])]
    ['boundary']
    """
    looked_for, scores = document.labels, {} if scores is None else scores
    left = [
        e for e in document.entities if e.label in labels and (looked_for is None or e.label in looked_for)
    ]
    right = sorted(
        (e for e in dict.fromkeys(found) if looked_for is None or e.label in looked_for), key=_place
    )
    result, lonely_left, lonely_right = list[Pair](), dict.fromkeys(left), dict.fromkeys(right)
    for _, _, _, one, other in sorted(_candidates(sorted(left, key=_place), right)):
        if one in lonely_left and other in lonely_right:
            result.append(Pair(_kind(one, other), one, other, scores.get(other)))
            del lonely_left[one], lonely_right[other]
    result += [Pair(MISSED, one, None) for one in lonely_left]
    result += [Pair(ALARM, None, other, scores.get(other)) for other in lonely_right if other.label in labels]
    return sorted(result, key=_pair_place)


_Candidate = tuple[int, int, int, Entity, Entity]


def _candidates(left: Sequence[Entity], right: Sequence[Entity]) -> Iterator[_Candidate]:
    """Each annotation with each finding that shares a character with it; the best sort first."""
    first, number = 0, 0
    for one in left:
        while first < len(right) and right[first].end <= one.start:
            first += 1
        at = first
        while at < len(right) and right[at].start < one.end:
            other = right[at]
            if one.start < other.end:
                shared = min(one.end, other.end) - max(one.start, other.start)
                rank = (HIT, BOUNDARY, LABEL, BOTH).index(_kind(one, other))
                # The number keeps entities, which have no order, from being compared.
                yield rank, -shared, number, one, other
                number += 1
            at += 1


def _kind(one: Entity, other: Entity) -> str:
    same_place = _place(one) == _place(other)
    if one.label == other.label:
        return HIT if same_place else BOUNDARY
    return LABEL if same_place else BOTH


def _place(entity: Entity) -> tuple[int, int]:
    return entity.start, entity.end


def _pair_place(pair: Pair) -> tuple[int, int]:
    entity = pair.annotated if pair.annotated is not None else pair.found
    assert entity is not None
    return _place(entity)


def count_kinds(paired: Sequence[Sequence[Pair]]) -> dict[str, dict[str, int]]:
    """Errors by label and kind; labels and kinds without any are left out."""
    counts: Counter[tuple[str, str]] = Counter(
        (pair.label, pair.kind) for document in paired for pair in document if pair.kind != HIT
    )
    result: dict[str, dict[str, int]] = {}
    for (label, kind), count in sorted(counts.items()):
        result.setdefault(label, {})[kind] = count
    return result


def confusion(paired: Sequence[Sequence[Pair]]) -> dict[str, dict[str, int]]:
    """How often what is annotated as one label was found as another; "" stands for nothing."""
    counts: Counter[tuple[str, str]] = Counter()
    for document in paired:
        for pair in document:
            annotated, found = (
                "" if entity is None else entity.label for entity in (pair.annotated, pair.found)
            )
            counts[annotated, found] += 1
    result: dict[str, dict[str, int]] = {}
    for (annotated, found), count in sorted(counts.items()):
        result.setdefault(annotated, {})[found] = count
    return result
