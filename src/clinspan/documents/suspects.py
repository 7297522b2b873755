"""Annotations that no answer can match exactly, or that training cannot see.

A model's answers begin and end at words, and never cross an empty line.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from clinspan.documents.document import Document, Entity
from clinspan.text.decode import has_blank_line
from clinspan.text.words import splits_words

WHITESPACE = "whitespace at an end"
INSIDE_WORD = "an edge inside a word"
SHARED_WORD = "a word in common with another annotation"
EMPTY_LINE = "an empty line in it"
MARK = "an edge between a letter and its accent"


def suspects(document: Document) -> Iterator[tuple[Entity, str]]:
    """Yield each annotation that no answer can match, with the first reason why.

    >>> note = Document("1", "takes 500mg", (Entity(6, 9, "STRENGTH"),))
    >>> [reason for _, reason in suspects(note)]
    ['an edge inside a word']
    """
    text = document.text
    before = 0
    for entity in document.entities:
        quoted = text[entity.start : entity.end]
        reason = ""
        if quoted != quoted.strip():
            reason = WHITESPACE
        elif has_blank_line(quoted):
            reason = EMPTY_LINE
        elif any(_is_mark(text[at : at + 1]) for at in (entity.start, entity.end)):
            reason = MARK
        elif entity.start == before and before and _inside_word(text, before):
            reason = SHARED_WORD
        elif _inside_word(text, entity.start) or _inside_word(text, entity.end):
            reason = INSIDE_WORD
        if reason:
            yield entity, reason
        before = entity.end


def _is_mark(char: str) -> bool:
    return bool(char) and unicodedata.category(char).startswith("M")


def _inside_word(text: str, at: int) -> bool:
    """Tell whether the characters before and after a place are of one word."""
    return 0 < at < len(text) and not splits_words(text[at - 1]) and not splits_words(text[at])


def trimmed(documents: Iterable[Document]) -> tuple[list[Document], int]:
    """Take the whitespace off the ends of annotations; returns the documents, and how many annotations had some.

    One of whitespace alone is left out.
    """
    result, count = list[Document](), 0
    for document in documents:
        entities = []
        for entity in document.entities:
            quoted = document.text[entity.start : entity.end]
            start = entity.start + len(quoted) - len(quoted.lstrip())
            end = start + len(quoted.strip())
            count += (start, end) != (entity.start, entity.end)
            if start < end:
                entities.append(replace(entity, start=start, end=end))
        result.append(replace(document, entities=tuple(entities)))
    return result, count


def many(count: int, reason: str) -> str:
    """Say how many annotations have something.

    >>> many(1, INSIDE_WORD)
    '1 annotation has an edge inside a word'
    """
    return f"{count:,} annotation{' has' if count == 1 else 's have'} {reason}"


def count_suspects(documents: Iterable[Document]) -> Counter[str]:
    """Count the annotations that no answer can match, by reason."""
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update(reason for _, reason in suspects(document))
    return counts
