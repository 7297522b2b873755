"""The starter's synthetic text and its sources."""

from __future__ import annotations

import json
import os
import random
import re
from itertools import chain
from pathlib import Path

import pytest

from clinspan.documents.document import Document, Entity
from clinspan_export.starter.grammar import expand, misspell, read_rules, render, respace, shout
from clinspan_export.starter.products import Product, read_products, write_name, write_strength
from clinspan_export.starter.sources import LABELS, medication_part
from clinspan_export.starter.synthetic import documents, rules

HELD_OUT = Path(__file__).parents[2] / "data/starter_heldout.jsonl"
PRODUCTS = [
    Product(("ASPIRIN",), ("81", "MG", ""), ("tablet",), "solid"),
    Product(("AMOXICILLIN",), ("400", "MG", "5"), ("suspension",), "liquid"),
    Product(("TIMOLOL",), ("0.5", "%", ""), ("eye drops",), "eye"),
    Product(("HEPARIN",), ("5,000", "UNITS", "1"), ("injection",), "injected"),
]
WORDS = {"corpus_problem": ["anemia"], "corpus_test": ["biopsy"], "corpus_treatment": ["surgery"]}


@pytest.fixture(scope="module")
def made() -> list[tuple[str, list[tuple[int, int, str]]]]:
    return list(documents(PRODUCTS, WORDS, seed=1, count=1500))


def test_same_seed_same_text(made: list[tuple[str, list[tuple[int, int, str]]]]) -> None:
    """One seed gives one text, another seed another."""
    assert list(documents(PRODUCTS, WORDS, seed=1, count=20)) == made[:20]
    assert list(documents(PRODUCTS, WORDS, seed=2, count=20)) != made[:20]


def test_entities_lie_in_their_text(made: list[tuple[str, list[tuple[int, int, str]]]]) -> None:
    """Entities are in order, never overlap, have no whitespace at their edges, and all ten labels are there."""
    for text, entities in made:
        end = 0
        for start, stop, _ in entities:
            assert end <= start < stop <= len(text)
            assert text[start:stop] == text[start:stop].strip()
            end = stop
    assert {label for _, entities in made for _, _, label in entities} == set(LABELS)


def test_every_rule_can_be_expanded() -> None:
    """No template names a rule that is missing, and every label is one of ours."""
    makers = {"drug_name", "product_strength", "product_form", "route_of_product", "dose", *WORDS}
    for alternatives in rules().values():
        for alternative in alternatives:
            for name in re.findall(r"<([^>]+)>", alternative):
                label, _, rule = name.rpartition(":")
                assert rule in rules() or rule in makers, name
                assert not label or label in LABELS, name
            assert alternative.count("[") == alternative.count("]"), alternative


def test_held_out_text_is_not_made(made: list[tuple[str, list[tuple[int, int, str]]]]) -> None:
    """None of the held-out passages is in the synthetic text or in a template, whatever its case and spacing."""

    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]+", " ", text.lower())

    everything = plain(" ".join([*(text for text, _ in made), *chain.from_iterable(rules().values())]))
    held_out = [json.loads(line)["text"] for line in HELD_OUT.read_text("utf-8").splitlines()]
    assert len(held_out) >= 60
    assert not [text for text in held_out if plain(text).strip() in everything]


def test_expansion_marks_what_a_label_wraps() -> None:
    """A labelled rule becomes one entity; an article before a clinical one stays outside."""
    grammar = read_rules(
        "# comment\nnote =\n  <P> on <DRUG:drug>\nP =\n  <PROBLEM:thing>\nthing =\n  a cough\ndrug = \n"
    )
    grammar["drug"] = ["zinc | never split here"]
    text, entities = render(expand("<note>", grammar, {}, random.Random(0)))
    assert text == "a cough on zinc | never split here"
    assert entities == [(2, 7, "PROBLEM"), (11, 34, "DRUG")]


def test_noise_keeps_entities_on_their_words() -> None:
    """After misspelling, shouting and respacing, entities still cover the same pieces."""
    rng = random.Random(3)
    pieces = expand(
        "take <DRUG:drug> <FREQUENCY:freq> now", {"drug": ["amoxicillin"], "freq": ["every day"]}, {}, rng
    )
    for _ in range(50):
        text, entities = render(respace(shout(misspell(pieces, rng)), rng))
        assert [label for _, _, label in entities] == ["DRUG", "FREQUENCY"]
        assert text[entities[0][0] : entities[0][1]].startswith("A")
        assert text[entities[1][0] : entities[1][1]].split()[0].startswith("E")


def test_products_are_written_as_in_notes(tmp_path: Path) -> None:
    """Rows of the product table give names, strengths and forms; rows that cannot be written are left out."""
    path = tmp_path / "Products.txt"
    path.write_text(
        "Form\tStrength\tDrugName\tActiveIngredient\n"
        "TABLET;ORAL\tEQ 5MG BASE\tNORVASC\tAMLODIPINE BESYLATE\n"
        "SUSPENSION;ORAL\t250MG/5ML\tAMOXIL\tAMOXICILLIN\n"
        "UNKNOWN;ORAL\tN/A\tX\tY\n",
        encoding="latin-1",
    )
    tablet, suspension = read_products(path)
    assert (tablet.names, tablet.strength, tablet.kind) == (
        ("NORVASC", "AMLODIPINE BESYLATE", "AMLODIPINE"), ("5", "MG", ""), "solid",
    )  # fmt: skip
    assert suspension.kind == "liquid"
    rng = random.Random(0)
    assert "250 mg/5 mL" in {write_strength(suspension, rng) for _ in range(400)}
    assert {"Norvasc", "norvasc"} <= {write_name(tablet, rng) for _ in range(200)}


def test_medication_part_forgets_the_clinical_labels() -> None:
    """Clinical entities go, medication stays, and what nobody looked for stays unlooked for."""
    entities = (Entity(0, 4, "DRUG"), Entity(5, 9, "PROBLEM"))
    document = Document("1", "zinc rash", entities, frozenset({"DRUG", "PROBLEM"}))
    part = medication_part(document)
    assert (part.text, part.entities, part.labels) == ("zinc rash", entities[:1], frozenset({"DRUG"}))
    assert medication_part(Document("1", "zinc rash", entities)).labels is None


@pytest.mark.skipif("CLINSPAN_CORPORA" not in os.environ, reason="CLINSPAN_CORPORA names no corpora folder")
def test_annotated_lines_are_those_of_the_corpus() -> None:
    """The hand annotations fit the corpus, cover whole words, and no note is in both parts."""
    from clinspan_export.starter.sources import medication_lines

    annotations = HELD_OUT.with_name("medication_lines_annotations.jsonl")
    parts = [
        medication_lines(Path(os.environ["CLINSPAN_CORPORA"]), annotations, p)
        for p in ("development", "test")
    ]
    assert sum(map(len, parts)) == 106
    notes = [{document.id.rpartition("/")[0] for document in part} for part in parts]
    assert not notes[0] & notes[1]
    for document in (document for part in parts for document in part):
        for entity in document.entities:
            around = (
                document.text[max(0, entity.start - 1) : entity.start],
                document.text[entity.end : entity.end + 1],
            )
            assert not any(side.isalnum() for side in around), document.id
