"""Whole notes to train and to select on: real ones with this project's own annotations, and ones that it wrote.

The texts of real notes stay in the corpora folder; the project holds where their entities begin and end.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from clinspan.documents.document import Document, Entity
from clinspan.textfiles import read_objects
from clinspan_export.starter.sources import check_annotated

# Shares of texts whose lines are wrapped, and that stand on one line.
_WRAPPED, _FLAT = 0.12, 0.06

PARTS = ("training", "development", "kept aside")
_SOURCES = ("aci_bench", "mts_dialog", "primock57")
_WRITTEN = Path(__file__).parent / "written_notes.txt"
# `{P chest pain}` is a PROBLEM; the letters stand for labels.
_LETTERS = {
    "D": "DRUG", "S": "STRENGTH", "F": "FORM", "R": "ROUTE", "O": "DOSAGE", "Q": "FREQUENCY", "U": "DURATION",
    "P": "PROBLEM", "T": "TEST", "X": "TREATMENT",
}  # fmt: skip
_MARK = re.compile(r"\{([A-Z]) ([^{}]+)\}")
_SENTENCE_END = re.compile(r"(?<=[.;:\n])\s+")


def annotated_notes(corpora: Path, annotations: Path, part: str) -> list[Document]:
    """Real notes with all ten labels; `part` is one of PARTS.

    Raises:
        ValueError: the corpora folder holds another text than the one that was annotated.
    """
    texts = {
        row["id"]: row["text"]
        for source in _SOURCES
        for _, row in read_objects(corpora / f"notes_unlabelled/{source}.jsonl")
    }
    documents = []
    for _, row in read_objects(annotations):
        text = texts[row["id"]]
        check_annotated(text, row["sha256"], f"note {row['id']}")
        if row["part"] == part:
            documents.append(Document(row["id"], text, tuple(Entity(*entity) for entity in row["entities"])))
    return documents


def written_notes(path: Path = _WRITTEN) -> list[Document]:
    """Notes that this project wrote, which describe nobody: a `### name` before each, its entities marked as `{P chest pain}`.

    Raises:
        ValueError: a mark has a letter that stands for no label, or a brace that belongs to none.
    """
    documents = []
    for note in re.split(r"^### ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name, _, marked = note.partition("\n")
        text, entities, end = "", [], 0
        for mark in _MARK.finditer(marked):
            text += marked[end : mark.start()]
            if mark[1] not in _LETTERS:
                raise ValueError(f"written note {name}: no label has the letter {mark[1]}")
            entities.append(Entity(len(text), len(text) + len(mark[2]), _LETTERS[mark[1]]))
            text += mark[2]
            end = mark.end()
        text = (text + marked[end:]).rstrip()
        if "{" in text or "}" in text:
            raise ValueError(f"written note {name}: a brace that belongs to no mark")
        documents.append(Document(f"written/{name}", text, tuple(entities)))
    return documents


def renamed(document: Document, names: Sequence[str], rng: random.Random, share: float = 0.5) -> Document:
    """The same note with other drugs: a share of its DRUG entities has a name out of `names` instead."""
    text, entities, end = "", [], 0
    for entity in document.entities:
        text += document.text[end : entity.start]
        words = document.text[entity.start : entity.end]
        if entity.label == "DRUG" and rng.random() < share:
            words = rng.choice(names)
        entities.append(Entity(len(text), len(text) + len(words), entity.label))
        text, end = text + words, entity.end
    return Document(document.id, text + document.text[end:], tuple(entities), document.labels)


def pieces(document: Document, rng: random.Random, *, most: int = 900) -> Iterator[Document]:
    """Cut a document after sentences into parts of any length up to `most` characters, so that length tells nothing.

    No entity is cut. Parts without a letter are left out.
    """
    ends = [
        match.end()
        for match in _SENTENCE_END.finditer(document.text)
        if not any(entity.start < match.end() < entity.end for entity in document.entities)
    ]
    start, wanted = 0, rng.randint(20, most)
    for end in [*ends, len(document.text)]:
        if end - start < wanted and end < len(document.text):
            continue
        inside = tuple(
            Entity(e.start - start, e.end - start, e.label)
            for e in document.entities
            if start <= e.start < end
        )
        text = document.text[start:end]
        if any(map(str.isalpha, text)):
            yield Document(f"{document.id}/{start}", text, inside, document.labels)
        start, wanted = end, rng.randint(20, most)


def relined(document: Document, rng: random.Random) -> Document:
    """The same text, wrapped at some width or put on one line every now and then, as pasting does; no offset changes."""
    draw = rng.random()
    if draw < _WRAPPED:
        return replace(document, text=_wrap(document.text, rng.randint(50, 100)))
    if draw < _WRAPPED + _FLAT:
        return replace(document, text=document.text.replace("\n", " "))
    return document


def _wrap(text: str, width: int) -> str:
    lines = []
    for line in text.split("\n"):
        while len(line) > width and (cut := line.rfind(" ", 1, width)) > 0:
            lines.append(line[:cut])
            line = line[cut + 1 :]
        lines.append(line)
    return "\n".join(lines)
