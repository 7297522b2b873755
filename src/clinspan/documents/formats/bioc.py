"""BioC, in XML and in JSON: a collection of documents, whose passages carry text, offsets and annotations.

The standard library's parser reads the XML, a document at a time, and refuses declared entities, which could grow without
bound. (The PyPI package bioc parses with lxml's defaults, which expand them, and brings five packages.) Passages are put
together with a line end between, sentences with a space. The label of an annotation is its infon `type`. Format:
http://bioc.sourceforge.net.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from clinspan.documents.document import Document, Entity, offset
from clinspan.documents.formats.json_rows import read_rows
from clinspan.documents.quotes import check_quote
from clinspan.documents.reading import ReadingRules, one_stretch, settle
from clinspan.errors import InputError
from clinspan.strict_json import kind
from clinspan.textfiles import MAX_BYTES, open_bytes

_CHUNK = 2**16

# A stretch of text: where it begins by the file's count, and in the text that is made of all of them.
_Piece = tuple[int, int, str]


def read_xml(path: Path, rules: ReadingRules | None = None) -> Iterator[Document]:
    """Read documents, lazily, named by their id.

    Raises:
        InputError: the file is not BioC, declares entities, or an annotation is broken or does not quote its text.
    """
    rules = ReadingRules() if rules is None else rules
    for number, element in enumerate(_elements(path), start=1):
        yield from _read(_from_xml(element), f"{path}, document {number}", str(number), rules)


def read_json(path: Path, rules: ReadingRules | None = None) -> Iterator[Document]:
    """Read documents of a collection, of collections one per line, or of documents one per line.

    Raises:
        InputError: as `read_xml`.
    """
    rules = ReadingRules() if rules is None else rules
    number = 0
    for where, row in read_rows(path, rules):
        documents = row.get("documents", [row])
        if not isinstance(documents, list):
            raise InputError(f"{where}: documents is {kind(documents)}, expected a list")
        for document in documents:
            number += 1
            yield from _read(document, f"{where}, document {number}", str(number), rules)


def _read(row: object, where: str, name: str, rules: ReadingRules) -> Iterator[Document]:
    """The document of a JSON object, unless it is at fault."""
    try:
        document = _document(row, where, name, rules)
    except InputError as error:
        rules.fault(error)
        return
    yield document


def _document(row: object, where: str, name: str, rules: ReadingRules) -> Document:
    passages = row.get("passages") if isinstance(row, dict) else None
    if not isinstance(row, dict) or not isinstance(passages, list):
        raise InputError(f"{where}: passages is {kind(passages)}, expected a list")
    pieces, parts, annotations = list[_Piece](), list[str](), _annotations(row, where)
    length = 0
    for passage in passages:
        for separator, part in _texts(passage, where):
            parts += [separator, part["text"]] if parts else [part["text"]]
            length += len(separator) if pieces else 0
            start = offset(part.get("offset", 0), "offset", where)
            pieces.append((start, length, part["text"]))
            length += len(part["text"])
        annotations += _annotations(passage, where)
        for sentence in _list(passage, "sentences", where):
            annotations += _annotations(sentence, where)
    text = "".join(parts)
    found = row.get("id")
    name = found if isinstance(found, str) and found else name
    return Document(name, text, settle(_entities(annotations, pieces, text, where, rules), len(text), rules))


def _texts(passage: object, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The parts of a passage that have text: its sentences, or itself; with what stands before each."""
    if not isinstance(passage, dict):
        raise InputError(f"{where}: a passage is {kind(passage)}, expected an object")
    if isinstance(passage.get("text"), str):
        yield "\n", passage
        return
    for number, sentence in enumerate(_list(passage, "sentences", where)):
        if isinstance(sentence, dict) and isinstance(sentence.get("text"), str):
            yield " " if number else "\n", sentence


def _list(row: object, name: str, where: str) -> list[Any]:
    value = row.get(name) if isinstance(row, dict) else None
    if value is not None and not isinstance(value, list):
        raise InputError(f"{where}: {name} is {kind(value)}, expected a list")
    return [] if value is None else value


def _annotations(row: object, where: str) -> list[Any]:
    return list(_list(row, "annotations", where))


def _entities(
    annotations: Sequence[object], pieces: Sequence[_Piece], text: str, where: str, rules: ReadingRules
) -> Iterator[tuple[str, Entity]]:
    for number, annotation in enumerate(annotations, start=1):
        place = f"{where}, annotation {number}"
        try:
            yield from ((place, entity) for entity in _entity(annotation, pieces, text, place, rules))
        except InputError as error:
            rules.fault(error)


def _entity(
    row: object, pieces: Sequence[_Piece], text: str, where: str, rules: ReadingRules
) -> list[Entity]:
    if not isinstance(row, dict):
        raise InputError(f"{where}: {kind(row)}, expected an object")
    infons, locations = row.get("infons"), _list(row, "locations", where)
    label = infons.get("type") if isinstance(infons, dict) else None
    if not isinstance(label, str) or not label:
        raise InputError(f"{where}: its infon type is {kind(label)}, expected a label")
    if not locations:
        raise InputError(f"{where}: it has no location")
    found = one_stretch([_place(location, pieces, where) for location in locations], text, where, rules)
    if found is None:
        return []
    start, end, whole = found
    entity, quote = Entity(start, end, label), row.get("text")
    check_quote(text, entity, quote if whole and isinstance(quote, str) else None, where)
    return [entity]


def _place(location: object, pieces: Sequence[_Piece], where: str) -> tuple[int, int]:
    """Find a location in the text that was put together."""
    if not isinstance(location, dict):
        raise InputError(f"{where}: a location is {kind(location)}, expected an object")
    start = offset(location.get("offset"), "offset", where)
    end = start + offset(location.get("length"), "length", where)
    for begin, ours, text in pieces:
        if begin <= start and end <= begin + len(text):
            return ours + start - begin, ours + end - begin
    raise InputError(f"{where}: {start} to {end} does not lie in a passage")


def _from_xml(element: Element) -> dict[str, Any]:
    """An element with the fields of BioC's JSON."""
    row: dict[str, Any] = {"infons": {}}
    for child in element:
        if child.tag in ("passage", "sentence", "annotation"):
            row.setdefault(f"{child.tag}s", []).append(_from_xml(child))
        elif child.tag == "location":
            row.setdefault("locations", []).append(dict(child.attrib))
        elif child.tag == "infon":
            row["infons"][child.get("key")] = (child.text or "").strip()
        elif child.tag in ("id", "offset"):
            row[child.tag] = (child.text or "").strip()
        elif child.tag == "text":
            row["text"] = child.text or ""
    if element.tag == "document":
        row.setdefault("passages", [])
    return row


def _elements(path: Path) -> Iterator[Element]:
    """Each `document` element of an XML file."""
    done: list[Element] = []
    builder, parser = TreeBuilder(), expat.ParserCreate()
    declared = list[str]()

    def end(tag: str) -> None:
        element = builder.end(tag)
        if tag == "document":
            done.append(element)

    parser.StartElementHandler, parser.EndElementHandler = builder.start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = lambda name, *_: declared.append(name)
    with open_bytes(path) as stream:
        size = 0
        while True:
            chunk = stream.read(_CHUNK)
            size += len(chunk)
            problem = _feed(parser, chunk)
            if declared:
                raise InputError(f"{path}: it declares entities, which BioC does not need: not read")
            if problem:
                raise InputError(f"{path}: not valid XML: {problem}")
            if size > MAX_BYTES and not done:
                raise InputError(f"{path}: a document larger than the limit of {MAX_BYTES:,} bytes")
            size = 0 if done else size
            for element in done:
                yield element
                element.clear()
            done.clear()
            if not chunk:
                return


def _feed(parser: expat.XMLParserType, chunk: bytes) -> str:
    """Parse some more; returns what is wrong, without the parser's own error, which may hold the text."""
    try:
        parser.Parse(chunk, not chunk)
    except expat.ExpatError as error:
        return expat.ErrorString(error.code) + f" at line {error.lineno}"
    return ""
