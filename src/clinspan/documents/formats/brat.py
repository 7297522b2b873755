"""BRAT standoff: a folder with `NAME.txt` and, beside it, `NAME.ann`. See https://brat.nlplab.org/standoff.html.

Text-bound annotations (lines that start with T) are read. Relations, events, attributes and notes are not entities and
are skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from clinspan.documents.document import Document, Entity, checked, offset
from clinspan.errors import InputError
from clinspan.textfiles import decode, read_lines


def read(folder: Path) -> Iterator[Document]:
    """Read a folder's documents in the order of their names; a text without .ann has no entities.

    Raises:
        InputError: the folder has no .txt, an .ann has no text, a file cannot be read, or an annotation is broken,
            discontinuous (clinspan's entities are one stretch) or does not quote its text.
    """
    texts = sorted(folder.glob("*.txt"))
    if not texts:
        raise InputError(f"{folder}: no .txt file, expected BRAT standoff (NAME.txt and NAME.ann)")
    alone = sorted({path.stem for path in folder.glob("*.ann")} - {path.stem for path in texts})
    if alone:
        raise InputError(f"{folder / alone[0]}.ann: its text {alone[0]}.txt is missing")
    for path in texts:
        yield _read_one(path)


def _read_one(path: Path) -> Document:
    try:
        # Offsets count every character: line ends must stay as they are.
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    text = decode(content, str(path), mark=False)
    annotations = path.with_suffix(".ann")
    entities = list(_entities(annotations, text)) if annotations.exists() else []
    return Document(path.stem, text, checked(entities, len(text), str(annotations)))


def _entities(path: Path, text: str) -> Iterator[Entity]:
    for where, line in read_lines(path):
        if not line.startswith("T"):
            continue
        parts = line.split("\t")
        place = parts[1].split(" ", 1) if len(parts) == 3 else []
        if len(place) != 2 or not place[0]:
            raise InputError(f"{where}: expected ID, a tab, label and offsets, a tab, and the text")
        if ";" in place[1]:
            raise InputError(
                f"{where}: a discontinuous annotation; clinspan's entities are one stretch of text"
            )
        offsets = place[1].split(" ")
        if len(offsets) != 2 or not all(part.isascii() and part.isdigit() for part in offsets):
            raise InputError(f"{where}: expected two offsets after the label")
        start, end = (offset(part, "an offset", where) for part in offsets)
        entity = Entity(start, end, place[0])
        # BRAT writes a line end inside an annotation as a space.
        if text[entity.start : entity.end].split() != parts[2].split():
            raise InputError(
                f"{where}: the annotation does not quote its text at {entity.start} to {entity.end}"
            )
        yield entity


def write(documents: Iterable[Document], folder: Path) -> None:
    """Write each document as `ID.txt` and `ID.ann`.

    Raises:
        InputError: an id cannot be a file name, a label holds whitespace, or a file cannot be written.
    """
    for document in documents:
        if not document.id or set(document.id) & set("/\\:\0") or document.id.startswith("."):
            raise InputError(
                f"document id {document.id!r} cannot be a file name: give the document another id"
            )
        lines = []
        for number, entity in enumerate(document.entities, start=1):
            if not entity.label or any(map(str.isspace, entity.label)):
                raise InputError(
                    f"document {document.id}: label {entity.label!r} is empty or holds whitespace, which BRAT cannot write"
                )
            quoted = " ".join(document.text[entity.start : entity.end].splitlines())
            lines.append(f"T{number}\t{entity.label} {entity.start} {entity.end}\t{quoted}\n")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{document.id}.txt").write_bytes(document.text.encode())
            (folder / f"{document.id}.ann").write_bytes("".join(lines).encode())
        except OSError as error:
            raise InputError(f"cannot write {folder / document.id}: {error.strerror}") from error
