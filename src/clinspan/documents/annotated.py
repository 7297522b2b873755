"""Read annotated documents in whichever of the known formats a path holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from clinspan.documents.document import Document
from clinspan.documents.formats import automl, bioc, brat, conll, jsonl, pubtator, token_lists
from clinspan.documents.formats.json_rows import read_rows
from clinspan.documents.formats.tags import is_untyped, place
from clinspan.documents.reading import ReadingRules, what_was_left_out
from clinspan.errors import InputError
from clinspan.textfiles import read_lines

FORMATS = ("automl", "jsonl", "brat", "conll", "tokens", "pubtator", "bioc-xml", "bioc-json")

_SUFFIXES = {
    ".conll": "conll", ".conllu": "conll", ".bio": "conll", ".iob": "conll", ".iob2": "conll", ".bioes": "conll",
    ".bmes": "conll", ".tsv": "conll", ".pubtator": "pubtator", ".xml": "bioc-xml",
}  # fmt: skip
_ROWS = (".jsonl", ".ndjson", ".json")


def read_annotated(
    path: str | Path, *, format: str | None = None, rules: ReadingRules | None = None
) -> Iterator[Document]:
    """Read annotated documents, lazily.

    Args:
        path: a file, which may be gzip, or a folder in BRAT standoff. docs/training.md lists the formats.
        format: one of `FORMATS`; None to tell it by the path and the first line.
        rules: what is refused and what is left out; None refuses everything that is not plain.

    Raises:
        InputError: the format is unknown, the data breaks it (the message gives file and line), or there is no annotated
            document among those of `path`.
    """
    path = Path(path)
    rules = ReadingRules() if rules is None else rules
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    chosen = _guess(path, rules) if format is None else format
    readers: Mapping[str, Callable[[Path, ReadingRules], Iterator[Document]]] = {
        "rows": _read_rows, "automl": automl.read, "jsonl": jsonl.read, "brat": brat.read, "conll": conll.read,
        "tokens": _read_rows, "pubtator": pubtator.read, "bioc-xml": bioc.read_xml, "bioc-json": bioc.read_json,
    }  # fmt: skip
    if chosen not in readers:
        raise InputError(f"unknown format {chosen!r}: expected one of {', '.join(FORMATS)}")
    return _at_least_one(readers[chosen](path, rules), path, rules)


def _at_least_one(documents: Iterator[Document], path: Path, rules: ReadingRules) -> Iterator[Document]:
    """The documents; an error where all there are were left out."""
    before, empty = rules.left_out.total(), True
    for document in documents:
        empty = False
        yield document
    if empty and rules.left_out.total() > before and not rules.faults:
        rules.fault(InputError(f"{path}: no annotated document, {what_was_left_out(rules.left_out)}"))


def _guess(path: Path, rules: ReadingRules) -> str:
    if path.is_dir():
        return "brat"
    suffix = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    found = _by_content(path, suffix, rules)
    if not found:
        raise InputError(
            f"{path}: neither its name nor its first line tells its format: expected .jsonl, .ndjson, .json, .conll, .bio, "
            ".iob, .tsv, .pubtator, .xml (BioC), any of them as .gz, or a folder of BRAT files; or name the format"
        )
    return found


def _by_content(path: Path, suffix: str, rules: ReadingRules) -> str:
    """Tell the format by the first line that is not blank; an empty string where it does not tell."""
    lines = (line for _, line in read_lines(path, encoding=rules.encoding) if line.strip())
    first = next(islice(lines, 1), "").lstrip("\ufeff")
    if not first:
        raise InputError(f"{path}: empty, no document to read")
    if suffix in _ROWS or first.lstrip()[:1] in ("{", "["):
        for _, row in islice(read_rows(path, ReadingRules(encoding=rules.encoding)), 1):
            return "bioc-json" if "passages" in row or "documents" in row else "rows"
        return "rows"
    match = pubtator.TEXT_LINE.fullmatch(first)
    if match and match[2] == "t":
        return "pubtator"
    if first.lstrip().startswith("<"):
        return "bioc-xml"
    columns = first.split()
    tagged = len(columns) > 1 and (place(columns[-1], rules.untyped) is not None or is_untyped(columns[-1]))
    return "conll" if tagged or columns[0] == "-DOCSTART-" else ""


def _read_rows(path: Path, rules: ReadingRules) -> Iterator[Document]:
    """Documents of a JSON file, each in the form that its fields show."""
    for number, (where, row) in enumerate(read_rows(path, rules), start=1):
        try:
            document = parse_row(row, where, str(number), path.parent, rules)
        except InputError as error:
            rules.fault(error)
            continue
        if document is not None:
            yield document


def parse_row(
    row: Mapping[str, Any], where: str, name: str, folder: Path, rules: ReadingRules
) -> Document | None:
    """Check one document's JSON object in the form that its fields show; None where it is left out."""
    if "text" in row:
        return jsonl.parse(row, where, name, rules)
    if any(field in row for field in token_lists.TOKENS):
        return token_lists.parse(row, where, name, rules)
    if isinstance(row.get("data"), dict):
        raise InputError(
            f"{where}: this looks like Label Studio's JSON, which is not read: export as CoNLL, or write text and entities"
        )
    if any(field in row for field in automl.FIELDS):
        return automl.parse(row, where, name, folder, rules)
    raise InputError(
        f"{where}: no known form: expected text with entities, tokens with ner_tags, or AutoML's text_snippet"
    )
