"""A small generative grammar: templates in, annotated documents out.

A grammar maps a rule's name to its alternatives; one given twice is drawn twice as often. In an alternative, `<rule>` expands a rule, `<LABEL:rule>` expands
it and marks the outcome as an entity, and `[text]` is kept every other time. A rule may also be a function that makes
up an alternative on the spot. Expansion returns pieces, so that noise may change a piece's characters without losing track of the entities.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Rules = Mapping[str, Sequence[str]]
Maker = Callable[[], str]

_TOKEN = re.compile(r"<([A-Za-z_+:]+)>|(\[)|(\])")
_ARTICLE = re.compile(r"(?:an?|the) ")
_WORD = re.compile(r"[A-Za-z]{6,}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that is wholly one entity (`label`) or wholly none (`label` is empty)."""

    text: str
    label: str


def read_rules(text: str) -> dict[str, list[str]]:
    """Read a grammar: `name =` opens a rule, indented lines hold its alternatives, one a line or ` | ` between them.

    A line that starts with # is a comment.
    """
    rules: dict[str, list[str]] = {}
    alternatives: list[str] = []
    for line in text.splitlines():
        if line.startswith(" "):
            alternatives += [alternative.strip() for alternative in line.split(" | ")]
        elif line and not line.startswith("#"):
            alternatives = rules.setdefault(line.removesuffix(" ="), [])
    return rules


def expand(template: str, rules: Rules, makers: Mapping[str, Maker], rng: random.Random) -> list[Piece]:
    """Expand one template.

    Raises:
        KeyError: the template names a rule that neither `rules` nor `makers` holds.
    """
    pieces: list[Piece] = []
    position = skip = 0
    for match in _TOKEN.finditer(template):
        literal = template[position : match.start()]
        position = match.end()
        if literal and not skip:
            pieces.append(Piece(literal, ""))
        if match[2]:
            # A skipped option hides the options inside it too.
            skip += 1 if skip or rng.random() < 0.5 else 0
        elif match[3]:
            skip -= 1 if skip else 0
        elif not skip:
            pieces.extend(_reference(match[1], rules, makers, rng))
    if position < len(template):
        pieces.append(Piece(template[position:], ""))
    return [piece for piece in pieces if piece.text]


def _reference(name: str, rules: Rules, makers: Mapping[str, Maker], rng: random.Random) -> list[Piece]:
    label, _, rule = name.rpartition(":")
    template = makers[rule]() if rule in makers else rng.choice(rules[rule])
    inner = expand(template, rules, makers, rng)
    if not label:
        return inner
    text = "".join(piece.text for piece in inner)
    if label in ("PROBLEM", "TEST", "TREATMENT") and (article := _ARTICLE.match(text)):
        return [Piece(article[0], ""), Piece(text[article.end() :], label)]
    return [Piece(text, label)]


def shout(pieces: list[Piece]) -> list[Piece]:
    """The same pieces in upper case, where that keeps their length."""
    return [Piece(p.text.upper() if len(p.text.upper()) == len(p.text) else p.text, p.label) for p in pieces]


def hush(pieces: list[Piece]) -> list[Piece]:
    """The same pieces in lower case."""
    return [Piece(p.text.lower(), p.label) for p in pieces]


def misspell(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """One long word of each third piece loses, doubles or swaps a letter."""
    return [Piece(_slip(p.text, rng) if rng.random() < 0.3 else p.text, p.label) for p in pieces]


def _slip(text: str, rng: random.Random) -> str:
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 2)
    kind = rng.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def respace(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Some spaces doubled, some turned into line ends, as when a list was wrapped or pasted."""

    def space(_: re.Match[str]) -> str:
        draw = rng.random()
        return "  " if draw < 0.08 else "\n" if draw < 0.14 else " "

    return [Piece(re.sub(r"(?<! ) (?! )", space, p.text), p.label) for p in pieces]


def render(pieces: Sequence[Piece]) -> tuple[str, list[tuple[int, int, str]]]:
    """Join pieces into a text and its entities as (start, end, label), edges free of white space."""
    text, entities = "", []
    for piece in pieces:
        if piece.label:
            start = len(text) + len(piece.text) - len(piece.text.lstrip())
            entities.append((start, len(text) + len(piece.text.rstrip()), piece.label))
        text += piece.text
    return text, entities
