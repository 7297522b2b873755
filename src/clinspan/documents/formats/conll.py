"""CoNLL columns: a token and its tag on each line, an empty line after a sentence, `-DOCSTART-` before a document.

The first column is the token, unless another is named; the last is its tag. A line with tabs is split at tabs alone, any
other at spaces. The format does not keep a text's spacing: a document that was read is its tokens with spaces between,
one sentence per line. Comments of CoNLL-U (`# sent_id = 1`) are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from clinspan.documents.document import Document
from clinspan.documents.formats.tags import TAGS, TaggedText, is_untyped, place
from clinspan.documents.reading import ReadingRules
from clinspan.errors import InputError
from clinspan.textfiles import read_lines

_WORD = re.compile(r"\w+|[^\w\s]")
_NUMBER = re.compile(r"\d+([-.]\d+)?")
_COMMENT = re.compile(r"#\s*([\w.:-]+\s*=.*|new(doc|par)\b.*)")


def read(path: Path, rules: ReadingRules | None = None) -> Iterator[Document]:
    """Read documents, lazily, named by their number. Without `-DOCSTART-` the file is one document.

    Raises:
        InputError: the file cannot be read, a line has no known tag, or its first column does not hold tokens.
    """
    rules = ReadingRules() if rules is None else rules
    number, rows, marked = 1, _Rows(path, rules), False
    for where, line in read_lines(path, encoding=rules.encoding):
        columns = _columns(line)
        if not columns:
            rows.end_sentence()
        elif columns[0] == "-DOCSTART-":
            marked = True
            if rows.text.length:
                yield rows.document(str(number), marked)
                number, rows = number + 1, _Rows(path, rules)
        elif not ("\t" not in line and _COMMENT.fullmatch(line)):
            try:
                rows.add(columns, where)
            except InputError as error:
                rules.fault(error)
    if rows.text.length:
        yield rows.document(str(number), marked)


def _columns(line: str) -> list[str]:
    """Split a line; a token may hold spaces where tabs separate the columns, and a no-break space where spaces do."""
    if "\t" in line:
        columns = [column.strip(" ") for column in line.split("\t")]
        return columns if any(columns) else []
    return [column for column in line.split(" ") if column] if line.strip() else []


class _Rows:
    """A document while its lines are being read, and whether its first column looks like tokens."""

    def __init__(self, path: Path, rules: ReadingRules) -> None:
        self.text, self._path, self._rules = TaggedText(), path, rules
        self._numbers, self._widest, self._longest = True, 0, 0
        self._same, self._sentence = True, list[str]()

    def add(self, columns: list[str], where: str) -> None:
        column = 1 if self._rules.column is None else self._rules.column
        tag = columns[-1]
        if len(columns) <= column:
            raise InputError(
                f"{where}: {len(columns)} columns: expected a token in column {column}, and after it {TAGS}"
            )
        found = place(tag, self._rules.untyped)
        if found is None and is_untyped(tag):
            raise InputError(
                f"{where}: the tag {tag} names no label: say which one it stands for (--untyped NAME)"
            )
        if found is None:
            raise InputError(f"{where}: expected a token, whitespace, and {TAGS}")
        token = columns[column - 1]
        if not token:
            raise InputError(f"{where}: the token's column is empty")
        self._look_at(columns)
        self.text.add(token, *found)

    def _look_at(self, columns: list[str]) -> None:
        self._numbers = self._numbers and _NUMBER.fullmatch(columns[0]) is not None
        self._widest = max(self._widest, len(columns))
        self._sentence.append(columns[0])
        self._longest = max(self._longest, len(self._sentence))
        self._same = self._same and self._sentence[0] == columns[0]

    def end_sentence(self) -> None:
        self._sentence = []
        self.text.end_sentence()

    def document(self, name: str, marked: bool) -> Document:
        """Give the document; where nothing marks documents, sentences are its units.

        Raises:
            InputError: the first column holds running numbers, or the same in each sentence.
        """
        odd = "numbers" if self._numbers else "the same for each token of a sentence" if self._same else ""
        if self._rules.column is None and odd and self._widest > 2 and self._longest > 1:
            raise InputError(
                f"{self._path}, document {name}: the first column holds {odd}, not tokens: say which column the token "
                "is in (--column 2), or --column 1 if that is right"
            )
        return self.text.document(name, units=() if marked else self.text.sentences)


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
