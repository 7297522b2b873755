"""Annotated documents: what every reader yields and every writer takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entity:
    """A labelled stretch of text: `text[start:end]`, in characters (Unicode code points), `end` exclusive."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Document:
    """A text and what its annotators marked in it.

    `labels` are the labels the annotators looked for, marked or not; None means every label in use. Training takes the
    absence of a label as evidence only where it was looked for.
    """

    id: str
    text: str
    entities: tuple[Entity, ...]
    labels: frozenset[str] | None = None
