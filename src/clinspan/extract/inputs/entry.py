"""A note, an entry that a note is read from, and how to read it: what every reader of files shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clinspan.errors import InputError
from clinspan.strict_json import kind
from clinspan.textfiles import MAX_BYTES


@dataclass(frozen=True, slots=True)
class Note:
    """A note and the name that its results carry: the file's path, or the id that its line or row gives."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A note that has not been read yet.

    Attributes:
        id: as in `Note`; the line number if the line cannot be read.
        where: file, or file and line.
        read: returns the text, or raises InputError, whose message names `where` and contains nothing of the text.
        second: a second text of the same row, where one is asked for.
    """

    id: str
    where: str
    read: Callable[[], str]
    second: str | None = None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read notes.

    Attributes:
        text_field: field or column that holds the note.
        id_field: field or column that names it; a note without one is named by its number.
        max_bytes: longest line and largest file of one note that is read, decompressed.
        exclude: a file that is not read even if it lies in a folder of notes.
        kind: what every file holds, one of `kinds.KINDS`; None to see it by name and content.
        left_out: counts, by kind, the files in folders that are not notes.
        encoding: of the files' text; None for UTF-8.
        second_field: field or column that holds a second text of a row; None where there is one text.
    """

    text_field: str = "text"
    id_field: str = "id"
    max_bytes: int = MAX_BYTES
    exclude: Path | None = None
    kind: str | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    encoding: str | None = None
    second_field: str | None = None

    @property
    def text_fields(self) -> list[str]:
        """The fields or columns that must hold a text."""
        return [self.text_field] if self.second_field is None else [self.text_field, self.second_field]


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, or standard input.

    Attributes:
        path: of the file; `-` is standard input.
        name: that a note carries if the file is one note.
        prefix: goes before the numbers of notes if the file is many.
    """

    path: Path
    name: str
    prefix: str = ""

    @property
    def is_stdin(self) -> bool:
        """Whether it is standard input."""
        return str(self.path) == "-"


def failing(name: str, where: str, problem: str) -> Entry:
    """Make the entry whose `read` raises InputError."""

    # The message alone: an exception would keep what it was raised about.
    def read() -> str:
        raise InputError(problem)

    return Entry(name, where, read)


def from_row(row: Mapping[str, object], name: str, where: str, options: ReadOptions) -> Entry:
    """Make the entry of a JSON object or a table's row; `name` is its name if it gives none."""
    given = row.get(options.id_field)
    if isinstance(given, dict | list):
        return failing(
            name, where, f"{where}: the field {options.id_field!r} is {kind(given)}, expected a name"
        )
    name = name if given in (None, "") else str(given)
    texts: list[str] = []
    for field_name in options.text_fields:
        text = row.get(field_name)
        if not isinstance(text, str):
            return failing(
                name, where, f"{where}: the field {field_name!r} is {kind(text)}, expected a string"
            )
        texts.append(text)
    return Entry(name, where, lambda: texts[0], *texts[1:])
