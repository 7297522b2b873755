"""How annotated documents are read: what is refused, what is left out, and how that is counted."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from clinspan.documents.document import Entity, lies_outside
from clinspan.errors import InputError

OVERLAPS = ("refuse", "longest", "first")
DISCONTINUOUS = ("refuse", "cover", "leave-out")

# Kinds of what is left out, as a reader of the count should see them: one, and several.
_ONE_AND_MANY = {
    "unannotated": ("document without annotations", "documents without annotations"),
    "rejected": (
        "document that its annotators rejected or skipped",
        "documents that their annotators rejected or skipped",
    ),
    "overlapping": ("annotation that overlaps another", "annotations that overlap others"),
    "discontinuous": ("discontinuous annotation", "discontinuous annotations"),
}


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """Rules for annotations that are missing, overlap or are discontinuous, and the counts of what was left out.

    Attributes:
        unannotated: "refuse" a document that holds no annotations at all (an empty list is an annotation: nothing is
            there), or "leave-out" and count it.
        overlaps: "refuse" annotations that overlap; or keep the "longest" of them (of equals the one that stands first);
            or keep the one that stands "first" in the file.
        discontinuous: "refuse" an annotation of several fragments with text between them; or "cover" it from its first
            character to its last; or "leave-out" and count it.
        column: the CoNLL column that holds the token, from 1; None for the first, unless that holds numbers.
        untyped: the label of CoNLL tags that name none, such as a bare B; None to refuse them.
        encoding: of the files; None for UTF-8.
        left_out: counts, by kind, what was left out.
        faults: collects what is wrong instead of raising it; None to raise the first.
    """

    unannotated: Literal["refuse", "leave-out"] = "refuse"
    overlaps: str = "refuse"
    discontinuous: str = "refuse"
    column: int | None = None
    untyped: str | None = None
    encoding: str | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    faults: list[InputError] | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("overlaps", self.overlaps, OVERLAPS),
            ("discontinuous", self.discontinuous, DISCONTINUOUS),
        ):
            if value not in known:
                raise InputError(f"{name} is {value!r}: expected one of {', '.join(known)}")
        if self.column is not None and self.column < 1:
            raise InputError(f"column is {self.column}: expected 1 or more, the first column is 1")

    def fault(self, error: InputError) -> None:
        """Raise an error, or keep it with the others."""
        if self.faults is None:
            raise error
        self.faults.append(error)

    def leave_out_document(self, where: str, reason: str) -> None:
        """Count a document that nobody annotated, or refuse it."""
        if self.unannotated == "refuse":
            self.fault(
                InputError(
                    f"{where}: {reason}, and a document without annotations is not one with nothing in it"
                )
            )
        else:
            self.left_out["unannotated"] += 1


def what_was_left_out(left_out: Counter[str]) -> str:
    """Say in words what was left out; an empty string for nothing.

    >>> what_was_left_out(Counter(overlapping=2, unannotated=1))
    'left out 2 annotations that overlap others, 1 document without annotations'
    """
    shown = [f"{n:,} {_ONE_AND_MANY[kind][n != 1]}" for kind, n in left_out.most_common() if n]
    return f"left out {', '.join(shown)}" if shown else ""


def one_stretch(
    fragments: Sequence[tuple[int, int]], text: str, where: str, rules: ReadingRules
) -> tuple[int, int, bool] | None:
    """Make one stretch of an annotation's fragments.

    Args:
        fragments: start and end of each.
        text: the document's.
        where: the annotation's place in its file.
        rules: whether a discontinuous annotation is refused, covered or left out.

    Returns:
        Start, end, and whether only whitespace stands between the fragments; None where it is left out.

    Raises:
        InputError: other text stands between them, and the rules refuse that.
    """
    ordered = sorted(fragments)
    start, end = ordered[0][0], ordered[-1][1]
    if all(not text[before:after].strip() for (_, before), (after, _) in pairwise(ordered)):
        return start, end, True
    if rules.discontinuous == "refuse":
        raise InputError(
            f"{where}: a discontinuous annotation; clinspan's entities are one stretch of text. To go on, let them cover "
            "what is between (--discontinuous cover), or leave them out (--discontinuous leave-out)"
        )
    if rules.discontinuous == "leave-out":
        rules.left_out["discontinuous"] += 1
        return None
    return start, end, False


def settle(found: Iterable[tuple[str, Entity]], length: int, rules: ReadingRules) -> tuple[Entity, ...]:
    """Check entities and put them in the order of the text, without those that the rules leave out.

    Args:
        found: the place of each in its file, and the entity, in the order of the file.
        length: characters of the text.
        rules: how overlaps are resolved.

    Raises:
        InputError: one is empty or leaves the text, or two overlap and the rules refuse that.
    """
    inside = []
    for where, entity in found:
        if lies_outside(entity, length):
            rules.fault(InputError(f"{where}: {lies_outside(entity, length)}"))
        else:
            inside.append((where, entity))
    if rules.overlaps == "longest":
        inside.sort(key=lambda one: one[1].start - one[1].end)
    if rules.overlaps != "refuse":
        kept = _without_overlaps(inside)
        rules.left_out["overlapping"] += len(inside) - len(kept)
        return tuple(sorted(kept, key=_in_order))
    inside.sort(key=lambda one: _in_order(one[1]))
    settled: list[tuple[str, Entity]] = []
    for where, entity in inside:
        if settled and entity.start < settled[-1][1].end:
            rules.fault(_overlap(where, entity, *settled[-1]))
        else:
            settled.append((where, entity))
    return tuple(entity for _, entity in settled)


def _in_order(entity: Entity) -> tuple[int, int]:
    return entity.start, entity.end


def _overlap(where: str, entity: Entity, other_where: str, other: Entity) -> InputError:
    place = "" if other_where == where else f" in {other_where.rpartition(', ')[2]}"
    return InputError(
        f"{where}: annotation {entity.start} to {entity.end} ({entity.label}) overlaps {other.start} to {other.end} "
        f"({other.label}){place}; to keep one of them: --overlaps longest, or first"
    )


def _without_overlaps(found: Iterable[tuple[str, Entity]]) -> list[Entity]:
    """Keep each entity that overlaps none of those kept before it."""
    kept: list[tuple[int, int, Entity]] = []
    for _, entity in found:
        at = bisect_left(kept, entity.end, key=lambda one: one[0])
        if at and kept[at - 1][1] > entity.start:
            continue
        kept.insert(at, (entity.start, entity.end, entity))
    return [entity for _, _, entity in kept]
