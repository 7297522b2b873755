"""Build a document from tokens and their tags: BIO, IOB, IO, BILOU, BIOES, BMES, with or without names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clinspan.documents.document import Document, Entity

# B-DRUG, B_DRUG and DRUG-B, in either case; B, I, O and the like alone.
_NAMED = re.compile(r"([BIESLUMW])[-_](.+)", re.IGNORECASE | re.DOTALL)
_NAMED_AFTER = re.compile(r"(.+)[-_]([BIESLUMW])", re.DOTALL)
_PLAIN = re.compile(r"[BIESLUMW]", re.IGNORECASE)
_ENDS = ("E", "L", "S", "U", "W")

TAGS = "a tag such as O, B-DRUG or I-DRUG"


def place(tag: str, untyped: str | None) -> tuple[str, str] | None:
    """Split a tag into its position and its label.

    Args:
        tag: as written.
        untyped: the label of tags that name none.

    Returns:
        Position and label, ("", "") outside, None where it is not such a tag.

    >>> place("M_DRUG", None), place("DRUG-B", None), place("B", "DRUG"), place("o", None), place("B", None)
    (('M', 'DRUG'), ('B', 'DRUG'), ('B', 'DRUG'), ('', ''), None)
    """
    if tag in ("O", "o"):
        return "", ""
    if named := _NAMED.fullmatch(tag):
        return named[1].upper(), named[2]
    if named := _NAMED_AFTER.fullmatch(tag):
        return named[2], named[1]
    if untyped is not None and _PLAIN.fullmatch(tag):
        return tag.upper(), untyped
    return None


def is_untyped(tag: str) -> bool:
    """Tell whether a tag is a position alone, such as B."""
    return _PLAIN.fullmatch(tag) is not None


class TaggedText:
    """A document while its tokens are being read: they stand with spaces between, one sentence per line."""

    def __init__(self) -> None:
        self.length = 0
        self.sentences: list[int] = []
        self._parts: list[str] = []
        self._entities: list[Entity] = []
        self._open = ""

    def add(self, token: str, position: str, label: str) -> None:
        """Add a token; position and label as `place` gives them."""
        if not self._parts or self._parts[-1].endswith("\n"):
            self.sentences.append(self.length)
        else:
            self._parts.append(" ")
            self.length += 1
        start, end = self.length, self.length + len(token)
        if label and label == self._open and position not in ("B", "S", "U", "W"):
            self._entities[-1] = Entity(self._entities[-1].start, end, label)
        elif label:
            self._entities.append(Entity(start, end, label))
        self._open = "" if position in _ENDS else label
        self._parts.append(token)
        self.length = end

    def end_sentence(self) -> None:
        """End the sentence, if one has begun."""
        self._open = ""
        if self._parts and not self._parts[-1].endswith("\n"):
            self._parts.append("\n")
            self.length += 1

    def document(self, name: str, *, units: Sequence[int] = ()) -> Document:
        """Give the document."""
        return Document(name, "".join(self._parts), tuple(self._entities), units=tuple(units))
