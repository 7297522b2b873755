"""An annotated document: what every reader yields and every writer takes, and the checks that readers share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clinspan.errors import InputError
from clinspan.strict_json import kind


@dataclass(frozen=True, slots=True)
class Entity:
    """A labelled stretch of a document's text: `text[start:end]`, in characters (Unicode code points), `end` exclusive.

    What annotators mark and what is scored. A `Span` is what a model finds in a note: it has a score and its text too.
    """

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Document:
    """A text and what its annotators marked in it.

    `labels` are the labels the annotators looked for, marked or not; None means every label in use. Training takes the
    absence of a label as evidence only where it was looked for.

    `units` are the characters at which its sentences begin, where nobody knows which of them belong to one document;
    a confidence interval then draws sentences.
    """

    id: str
    text: str
    entities: tuple[Entity, ...]
    labels: frozenset[str] | None = None
    units: tuple[int, ...] = ()


# More than any text has characters; Python refuses to read numbers of thousands of digits.
_DIGITS = 18


def offset(value: object, name: str, where: str) -> int:
    """Read an offset in characters; a number written as a string is taken, as protocol buffers write it so.

    Raises:
        InputError: it is not an integer.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{where}: {name} is {kind(value)}, expected an integer, a number of characters")
    return value


def checked(entities: Iterable[Entity], length: int, where: str) -> tuple[Entity, ...]:
    """Check entities and put them in the order of the text.

    Raises:
        InputError: one is empty or leaves the text of `length` characters, or two overlap.
    """
    ordered = tuple(sorted(entities, key=lambda entity: (entity.start, entity.end)))
    end = 0
    for entity in ordered:
        if lies_outside(entity, length):
            raise InputError(f"{where}: {lies_outside(entity, length)}")
        if entity.start < end:
            raise InputError(
                f"{where}: annotation {entity.start} to {entity.end} ({entity.label}) overlaps the one before it, "
                f"which ends at {end}"
            )
        end = entity.end
    return ordered


def lies_outside(entity: Entity, length: int) -> str:
    """Say that an entity is empty or leaves its text of `length` characters; an empty string where it does not."""
    if 0 <= entity.start < entity.end <= length:
        return ""
    return f"annotation {entity.start} to {entity.end} ({entity.label}) does not lie in a text of {length} characters"
