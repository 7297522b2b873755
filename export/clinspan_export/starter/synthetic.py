"""Synthetic clinical documents, annotated as they are made: what the starter learns medication text from."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from clinspan_export.starter.grammar import Piece, expand, hush, misspell, read_rules, render, respace, shout
from clinspan_export.starter.products import Product, write_name, write_strength


@cache
def rules() -> dict[str, Sequence[str]]:
    """Read the grammar: its rules by name."""
    found: dict[str, Sequence[str]] = {}
    for path in sorted((Path(__file__).parent / "rules").glob("*.txt")):
        found.update(read_rules(path.read_text(encoding="utf-8")))
    return found


BULLETS = ("- ", "• ", "* ", "", "", "", "-")

Words = Mapping[str, Sequence[str]]
Write = Callable[[str], list[Piece]]


def documents(
    products: Sequence[Product], words: Words, *, seed: int, count: int
) -> Iterator[tuple[str, list[tuple[int, int, str]]]]:
    """Make up `count` documents, always the same ones for the same arguments.

    Args:
        products: what the drugs, strengths and forms are drawn from.
        words: further names by rule: `corpus_problem`, `corpus_test`, `corpus_treatment`.
        seed: start of the pseudo-random sequence.
        count: how many documents.

    Yields:
        The text and its entities as (start, end, label), in characters.
    """
    rng = random.Random(seed)
    write = _writer(products, words, rng)
    kinds: Sequence[Callable[[Write, random.Random], list[Piece]]] = (
        _order, _order, _list, _list, _sentences, _sentences, _paragraph, _paragraph, _story, _story, _prose, _note, _note,
        _lines, _lines, _lines, _hurried, _hurried, _long_note, _long_note,
    )  # fmt: skip
    for _ in range(count):
        pieces = rng.choice(kinds)(write, rng)
        yield render(_noise(pieces, rng))


def _writer(products: Sequence[Product], words: Words, rng: random.Random) -> Write:
    """A function from a template to its pieces, which draws a product whenever a drug is named."""
    by_name: dict[str, list[Product]] = {}
    for product in products:
        by_name.setdefault(product.names[-1], []).append(product)
    names = sorted(by_name)
    now = [products[0]]

    def draw() -> str:
        # Half by how many products there are of a drug, which is near to how common it is; half evenly over names.
        now[0] = rng.choice(products) if rng.random() < 0.5 else rng.choice(by_name[rng.choice(names)])
        return "<over_the_counter>" if rng.random() < 0.2 else write_name(now[0], rng)

    def form() -> str:
        return rng.choice(now[0].forms)

    makers: dict[str, Callable[[], str]] = {
        "drug_name": draw,
        "product_strength": lambda: write_strength(now[0], rng),
        "product_form": form,
        "route_of_product": lambda: f"<route_{now[0].kind}>",
        "dose": lambda: f"<dose_{now[0].kind}>",
        **{rule: partial(rng.choice, known) for rule, known in words.items()},
    }
    return lambda template: expand(template, rules(), makers, rng)


def _order(write: Write, rng: random.Random) -> list[Piece]:
    forms = ("<order>", "<order>.", "<Continue> <order>", "<Start> <order>", "<order>.  <order>.")
    return write(rng.choice(forms))


def _list(write: Write, rng: random.Random) -> list[Piece]:
    pieces = []
    if rng.random() < 0.6:
        pieces.append(Piece(rng.choice(rules()["list_header"]) + rng.choice(("\n", "\n\n", " ")), ""))
    bullet, end = rng.choice(BULLETS), rng.choice(("\n", "\n", "\n", ".\n", "; ", ", ", ";\n"))
    numbered = rng.random() < 0.3
    for row in range(1, rng.randint(2, 8)):
        pieces += [Piece(f"{row}. " if numbered else bullet, ""), *write("<order>"), Piece(end, "")]
    return pieces


def _join(templates: Sequence[str], count: int, write: Write, rng: random.Random) -> list[Piece]:
    pieces: list[Piece] = []
    for _ in range(count):
        pieces += _capital(write(rng.choice(templates)), rng)
        pieces.append(Piece(rng.choice((" ", " ", " ", "  ", "\n")), ""))
    return pieces


def _capital(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """A sentence starts with a capital, mostly."""
    if pieces and rng.random() < 0.9:
        first = pieces[0]
        pieces = [Piece(first.text[:1].upper() + first.text[1:], first.label), *pieces[1:]]
    return pieces


def _sentences(write: Write, rng: random.Random) -> list[Piece]:
    return _join(("<medication_sentence>",), rng.choice((1, 1, 1, 2, 3)), write, rng)


def _paragraph(write: Write, rng: random.Random) -> list[Piece]:
    mixed = ("<negative>", "<negative>", "<prose>", "<medication_sentence>")
    heads = ("Plan: ", "Treatment: ", "", "", "", "Medical treatment: ")
    lead = Piece(rng.choice(BULLETS) + rng.choice(heads), "")
    return [lead, *_join(mixed, rng.randint(2, 7), write, rng)]


def _story(write: Write, rng: random.Random) -> list[Piece]:
    if rng.random() < 0.6:
        return _join(("<story>",), 1, write, rng)
    return _join(("<story>", "<prose>", "<prose>", "<prose>"), rng.randint(1, 4), write, rng)


def _prose(write: Write, rng: random.Random) -> list[Piece]:
    return _join(("<prose>", "<negative>"), rng.randint(1, 5), write, rng)


def _note(write: Write, rng: random.Random) -> list[Piece]:
    pieces: list[Piece] = []
    for _ in range(rng.randint(2, 3)):
        if rng.random() < 0.35:
            pieces += _list(write, rng)
        else:
            pieces += [Piece(rng.choice(rules()["section_header"]) + rng.choice(("\n\n", "\n", " ")), "")]
            pieces += _join(("<negative>", "<prose>", "<medication_sentence>"), rng.randint(1, 4), write, rng)
        pieces.append(Piece("\n\n", ""))
    return pieces


def _lines(write: Write, rng: random.Random) -> list[Piece]:
    heading = [Piece(rng.choice(rules()["note_heading"]) + rng.choice(("\n", " ")), "")]
    return [*(heading if rng.random() < 0.5 else []), *_join(("<note_line>",), rng.randint(1, 5), write, rng)]


def _hurried(write: Write, rng: random.Random) -> list[Piece]:
    bullet, pieces = rng.choice(BULLETS), []
    for _ in range(rng.randint(3, 14)):
        pieces += [
            Piece(bullet, ""),
            *_capital(write("<hurried_line>"), rng),
            Piece(rng.choice(("\n", "\n", "\n", "\n\n")), ""),
        ]
    return pieces


def _long_note(write: Write, rng: random.Random) -> list[Piece]:
    """Many sections of any kind, so that a long text means nothing."""
    kinds = (_lines, _lines, _lines, _lines, _hurried, _list, _prose, _sentences, _paragraph)
    pieces: list[Piece] = []
    for _ in range(rng.randint(5, 12)):
        pieces += rng.choice(kinds)(write, rng)
        pieces.append(Piece(rng.choice(("\n\n", "\n")), ""))
    return pieces


def _noise(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    draw = rng.random()
    if draw < 0.06:
        pieces = shout(pieces)
    elif draw < 0.14:
        pieces = hush(pieces)
    if rng.random() < 0.1:
        pieces = misspell(pieces, rng)
    if rng.random() < 0.12:
        pieces = respace(pieces, rng)
    return pieces
