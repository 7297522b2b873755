"""CoNLL columns: a token and its tag on each line, an empty line after a sentence, `-DOCSTART-` before a document.

The first column is the token, the last its tag, in BIO, IOB or BILOU/BIOES. The format does not keep a text's spacing: a
document that was read is its tokens with spaces between, one sentence per line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from clinspan.documents.document import Document, Entity
from clinspan.errors import InputError
from clinspan.textfiles import read_lines

_WORD = re.compile(r"\w+|[^\w\s]")
_TAG = re.compile(r"O|([BIESLU])-(.+)")


def read(path: Path) -> Iterator[Document]:
    """Read documents, lazily, named by their number. Without `-DOCSTART-` the file is one document.

    Raises:
        InputError: the file cannot be read, or a line has no known tag.
    """
    number, rows = 1, _Rows()
    for where, line in read_lines(path):
        columns = line.split()
        if not columns:
            rows.end_sentence()
        elif columns[0] == "-DOCSTART-":
            if rows.length:
                yield rows.document(str(number))
                number, rows = number + 1, _Rows()
        else:
            tag = _TAG.fullmatch(columns[-1]) if len(columns) > 1 else None
            if tag is None:
                raise InputError(
                    f"{where}: expected a token, whitespace, and a tag such as O, B-DRUG or I-DRUG"
                )
            rows.add(columns[0], tag[1] or "", tag[2] or "")
    if rows.length:
        yield rows.document(str(number))


class _Rows:
    """A document while its lines are being read."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.entities: list[Entity] = []
        self.open = ""

    def add(self, token: str, prefix: str, label: str) -> None:
        if self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append(" ")
            self.length += 1
        start, end = self.length, self.length + len(token)
        if label and label == self.open and prefix not in ("B", "S", "U"):
            self.entities[-1] = Entity(self.entities[-1].start, end, label)
        elif label:
            self.entities.append(Entity(start, end, label))
        self.open = "" if prefix in ("E", "L", "S", "U") else label
        self.parts.append(token)
        self.length = end

    def end_sentence(self) -> None:
        self.open = ""
        if self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")
            self.length += 1

    def document(self, name: str) -> Document:
        return Document(name, "".join(self.parts), tuple(self.entities))


def write(documents: Iterable[Document], stream: TextIO) -> None:
    """Write documents in BIO, words and punctuation marks as tokens, a line of the text as a sentence.

    A word that an entity covers in part gets the entity's tag: the format has whole tokens only.
    """
    for document in documents:
        stream.write("-DOCSTART- O\n\n")
        before, previous = 0, None
        for word in _WORD.finditer(document.text):
            if "\n" in document.text[before : word.start()] and before:
                stream.write("\n")
                previous = None
            before = word.end()
            entity = next(
                (e for e in document.entities if e.start < word.end() and word.start() < e.end), None
            )
            prefix = "I" if entity is not None and entity is previous else "B"
            stream.write(f"{word[0]}\t{f'{prefix}-{entity.label}' if entity else 'O'}\n")
            previous = entity
        stream.write("\n")
