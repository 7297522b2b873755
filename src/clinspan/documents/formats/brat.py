"""BRAT standoff: a folder with `NAME.txt` and, beside it, `NAME.ann`. See https://brat.nlplab.org/standoff.html.

Text-bound annotations (lines that start with T) are read. Relations, events, attributes and notes are not entities and
are skipped. An annotation over a line end, which BRAT writes as fragments with only whitespace between, is one stretch.
`NAME.a1`, the entities of the BioNLP shared tasks, is read as `NAME.ann` is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from clinspan.documents.document import Document, Entity, offset
from clinspan.documents.quotes import check_quote
from clinspan.documents.reading import ReadingRules, one_stretch, settle
from clinspan.errors import InputError
from clinspan.textfiles import MAX_BYTES, decode, open_bytes, read_at_most, read_lines

_ANNOTATIONS = (".ann", ".a1")


def read(folder: Path, rules: ReadingRules | None = None) -> Iterator[Document]:
    """Read the documents of a folder and the folders in it, in the order of their names.

    Raises:
        InputError: the folder has no .txt, an .ann has no text, a text has no .ann, a file cannot be read, or an
            annotation is broken, does not quote its text, or is of several fragments.
    """
    rules = ReadingRules() if rules is None else rules
    texts, annotations = _files(folder, (".txt",)), _files(folder, _ANNOTATIONS)
    if not texts:
        raise InputError(f"{folder}: no .txt file, expected BRAT standoff (NAME.txt and NAME.ann)")
    for name in sorted(set(annotations) - set(texts)):
        rules.fault(InputError(f"{annotations[name][0]}: its text {name}.txt is missing"))
    for name, paths in texts.items():
        beside = annotations.get(name, [])
        if len(paths) > 1 or len(beside) > 1:
            rules.fault(
                InputError(f"{(beside if len(beside) > 1 else paths)[1]}: a second file for {name}, keep one")
            )
        elif not beside:
            rules.leave_out_document(str(paths[0]), f"there is no {Path(name).name}.ann beside it")
        else:
            try:
                yield _read_one(name, paths[0], beside[0], rules)
            except InputError as error:
                rules.fault(error)


def _files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, list[Path]]:
    """The files with these suffixes, in either case, by their path from the folder without it; hidden ones aside."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix.lower() in suffixes and not any(part.startswith(".") for part in inside.parts):
            found.setdefault(inside.with_suffix("").as_posix(), []).append(path)
    return found


def _read_one(name: str, path: Path, annotations: Path, rules: ReadingRules) -> Document:
    with open_bytes(path, encoding=rules.encoding) as stream:
        content = read_at_most(stream, MAX_BYTES, str(path))
    # Offsets count every character: line ends must stay as they are.
    text = decode(content, str(path), mark=False)
    entities: list[tuple[str, Entity]] = []
    for where, line in read_lines(annotations, encoding=rules.encoding):
        if line.startswith("T"):
            try:
                entities += ((where, entity) for entity in _entity(line, text, where, rules))
            except InputError as error:
                rules.fault(error)
    return Document(name, text, settle(entities, len(text), rules))


def _entity(line: str, text: str, where: str, rules: ReadingRules) -> list[Entity]:
    """The entity of a line; nothing where it is left out."""
    parts = line.split("\t", 2)
    label, _, offsets = parts[1].partition(" ") if len(parts) == 3 else ("", "", "")
    if not label or not offsets:
        raise InputError(f"{where}: expected ID, a tab, label and offsets, a tab, and the text")
    found = one_stretch([_fragment(part, where) for part in offsets.split(";")], text, where, rules)
    if found is None:
        return []
    start, end, whole = found
    entity = Entity(start, end, label)
    check_quote(text, entity, parts[2] if whole else None, where)
    return [entity]


def _fragment(written: str, where: str) -> tuple[int, int]:
    offsets = written.split(" ")
    if len(offsets) != 2 or not all(part.isascii() and part.isdigit() for part in offsets):
        raise InputError(f"{where}: expected two offsets after the label")
    return offset(offsets[0], "an offset", where), offset(offsets[1], "an offset", where)


def write(documents: Iterable[Document], folder: Path) -> None:
    """Write each document as `ID.txt` and `ID.ann`.

    Raises:
        InputError: an id cannot be a file name, a label holds whitespace, an entity has no character but line ends, or
            a file cannot be written.
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
            places = _in_lines(document.text, entity)
            if not places:
                raise InputError(f"document {document.id}: entity {number} is of line ends alone")
            offsets = ";".join(f"{start} {end}" for start, end in places)
            quoted = " ".join(document.text[start:end] for start, end in places)
            lines.append(f"T{number}\t{entity.label} {offsets}\t{quoted}\n")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{document.id}.txt").write_bytes(document.text.encode())
            (folder / f"{document.id}.ann").write_bytes("".join(lines).encode())
        except OSError as error:
            raise InputError(f"cannot write {folder / document.id}: {error.strerror}") from error


def _in_lines(text: str, entity: Entity) -> list[tuple[int, int]]:
    """Cut an entity at line ends, as brat does: its reader takes a line end inside an annotation for the next line."""
    places, start = [], entity.start
    for line in text[entity.start : entity.end].splitlines(keepends=True):
        length = len(line.splitlines()[0])
        if length:
            places.append((start, start + length))
        start += len(line)
    return places
