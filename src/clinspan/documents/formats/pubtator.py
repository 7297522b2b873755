"""PubTator: a title, an abstract, and lines of annotations, with an empty line after each document.

    2234245|t|Ocular toxicity of a drug.
    2234245|a|A report of three cases.
    2234245	0	15	Ocular toxicity	Disease	D014786

Offsets are characters of title and abstract with one character between; lines of relations are skipped. Written as
documented at https://www.ncbi.nlm.nih.gov/research/pubtator3/tutorial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from clinspan.documents.document import Document, Entity, offset
from clinspan.documents.quotes import check_quote
from clinspan.documents.reading import ReadingRules, settle
from clinspan.errors import InputError
from clinspan.textfiles import read_lines

TEXT_LINE = re.compile(r"([^|\t]{1,100})\|([ta])\|(.*)", re.DOTALL)


def read(path: Path, rules: ReadingRules | None = None) -> Iterator[Document]:
    """Read documents, lazily, named by their identifier. One without annotations was annotated: nothing is there.

    Raises:
        InputError: the file cannot be read, or a line is broken, belongs to no text, or does not quote it.
    """
    rules = ReadingRules() if rules is None else rules
    text, lines = list[tuple[str, str]](), list[tuple[str, str]]()
    for where, line in read_lines(path, encoding=rules.encoding):
        match = TEXT_LINE.fullmatch(line)
        if not line.strip() or (match and match[2] == "t"):
            if text:
                yield _document(text, lines, rules)
            text, lines = [], []
        if match:
            text.append((match[1], match[3]))
        elif line.strip():
            lines.append((where, line))
            if not text:
                rules.fault(
                    InputError(f"{where}: expected a line such as 123|t|TITLE before the annotations")
                )
                lines = []
    if text:
        yield _document(text, lines, rules)


def _document(parts: list[tuple[str, str]], lines: list[tuple[str, str]], rules: ReadingRules) -> Document:
    name, text = parts[0][0], "\n".join(part for _, part in parts)
    entities: list[tuple[str, Entity]] = []
    for where, line in lines:
        columns = line.split("\t")
        # A relation has the kind of relation in place of an offset.
        if len(columns) > 2 and not columns[1].strip().isdigit():
            continue
        try:
            entities.append((where, _entity(columns, name, text, where)))
        except InputError as error:
            rules.fault(error)
    return Document(name, text, settle(entities, len(text), rules))


def _entity(columns: list[str], name: str, text: str, where: str) -> Entity:
    if len(columns) < 5 or columns[0] != name:
        raise InputError(
            f"{where}: expected the document's identifier, start, end, words and type, with tabs between"
        )
    start, end = (offset(part.strip(), "an offset", where) for part in columns[1:3])
    label = columns[4].strip()
    if not label:
        raise InputError(f"{where}: the annotation has no type")
    entity = Entity(start, end, label)
    check_quote(text, entity, columns[3], where)
    return entity
