"""Check the note, the spans and their meaning that every shape is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from clinspan.errors import InputError
from clinspan.text.decode import Span

if TYPE_CHECKING:
    from clinspan.clinical.records import Assertion, Regimen

_Place = TypeVar("_Place")


def checked(
    note: str, spans: Iterable[Span], assertions: Sequence[Assertion] | None = None
) -> list[tuple[Span, Assertion | None]]:
    """Pair spans with their assertions, in note order.

    Raises:
        InputError: a span does not quote the note, or the assertions are not as many as the spans.
    """
    given = list(spans)
    for number, span in enumerate(given):
        if note[span.start : span.end] != span.text or span.start >= span.end:
            raise InputError(
                f"span {number} does not quote the note at {span.start} to {span.end}: pass the note that was read"
            )
    if assertions is not None and len(assertions) != len(given):
        raise InputError(
            f"there are {len(assertions)} assertions for {len(given)} spans: expected one for each"
        )
    pairs = zip(given, [None] * len(given) if assertions is None else assertions, strict=True)
    return sorted(pairs, key=lambda pair: (pair[0].start, pair[0].end))


def place_of(label: str, places: Mapping[str, _Place], shape: str) -> _Place:
    """Look up a label's place in a vocabulary.

    Raises:
        InputError: the vocabulary has no place for it.
    """
    if label not in places:
        raise InputError(
            f"{shape} has no place for the label {label!r}: rename it to one of {', '.join(places)}"
        )
    return places[label]


def by_drug(regimens: Iterable[Regimen] | None) -> dict[tuple[int, int], list[Regimen]]:
    """Group regimens by the range of their drug."""
    groups: dict[tuple[int, int], list[Regimen]] = {}
    for regimen in regimens or ():
        groups.setdefault((regimen.drug.start, regimen.drug.end), []).append(regimen)
    return groups
