"""Whether an annotation quotes its text, and in which other way of counting it would."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product

from clinspan.documents.document import Entity
from clinspan.errors import InputError

# Under these names tools write the words that an annotation covers.
_QUOTES = (
    "text",
    "mention",
    "surface",
    "surface_form",
    "word",
    "quote",
    "covered_text",
    "span_text",
    "entity_text",
)

# Longer texts are not counted again: it takes a copy for each way of counting.
_LONGEST = 2_000_000


def quote_of(row: Mapping[str, object]) -> str | None:
    """Find the words that an annotation's JSON object says it covers; None where it does not say."""
    return next((value for name in _QUOTES if isinstance(value := row.get(name), str)), None)


def check_quote(text: str, entity: Entity, quote: str | None, where: str) -> None:
    """Refuse an entity whose offsets do not lead to the words that it should cover.

    Whitespace may differ: BRAT writes a line end inside an annotation as a space.

    Raises:
        InputError: they lead elsewhere; the message says which way of counting would fit.
    """
    if quote is None or text[entity.start : entity.end].split() == quote.split():
        return
    fit = next(_fits(text, entity, quote.split()), "")
    if fit:
        fit = f"; it does {fit}: convert the offsets, or the text"
    raise InputError(
        f"{where}: the annotation does not quote its text at {entity.start} to {entity.end}{fit}"
    )


def _fits(text: str, entity: Entity, words: list[str]) -> Iterator[str]:
    """Ways to read the offsets under which they lead to the words, likeliest first."""
    if not words or len(text) > _LONGEST:
        return
    edges = (
        ((0, 0), ""),
        ((0, 1), "the last character is counted in"),
        ((-1, -1), "the first character is 1"),
        ((-1, 0), "the first character is 1 and the last is counted in"),
    )
    for (shift, edge), (unit, counted), (kind, changed) in product(edges, _units(), _line_ends(text)):
        start, end = entity.start + shift[0], entity.end + shift[1]
        if start >= 0 and _cut(changed, start, end, counted).split() == words:
            yield "where " + " and ".join(part for part in (unit, kind, edge) if part)


def _units() -> tuple[tuple[str, str], ...]:
    return (
        ("", ""),
        ("UTF-16 units are counted (as JavaScript, Java and C# do)", "utf-16-le"),
        ("bytes of UTF-8 are counted", "utf-8"),
    )


def _line_ends(text: str) -> list[tuple[str, str]]:
    """The text as other programs hold it: with other line ends, without its byte order mark."""
    kinds = [("", text)]
    if "\r\n" in text:
        kinds.append(("CRLF is one character (as Python's open() reads it)", text.replace("\r\n", "\n")))
    if "\n" in text:
        kinds.append(("each line end is two characters (CRLF)", re.sub("\r?\n", "\r\n", text)))
    if text.startswith("\ufeff"):
        without = "the byte order mark is not counted"
        kinds += [(f"{kind} {without}".strip(), changed[1:]) for kind, changed in kinds]
    return kinds


def _cut(text: str, start: int, end: int, encoding: str) -> str:
    if not encoding:
        return text[start:end]
    size = 2 if encoding == "utf-16-le" else 1
    data = text.encode(encoding, "surrogatepass")[size * start : size * end]
    return data.decode(encoding, "replace")
