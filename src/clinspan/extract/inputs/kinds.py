"""Recognise what a file holds, by its name and, where the name says nothing, by how its text begins."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from clinspan.errors import InputError
from clinspan.extract.inputs.columns import SEPARATORS, names_of
from clinspan.extract.inputs.markup import BLOCKS
from clinspan.strict_json import parse_json, parse_object

# Each kind and the names of its files, each of which may also end in .gz.
SUFFIXES = {
    "text": (".txt",),
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet",),
    "hl7": (".hl7",),
    "xml": (".xml", ".cda", ".ccda"),
    "html": (".html", ".htm", ".xhtml"),
    "rtf": (".rtf",),
}
KINDS = tuple(SUFFIXES)

# Kinds that a folder is searched for unless one is asked for: these hold notes and little else.
IN_FOLDERS = ("text", "jsonl")

# What stands before the first element of XML and HTML: declarations, comments.
_PROLOG = re.compile(r"\s*(?:<\?[^>]*\?>\s*|<!--.*?-->\s*)*", re.DOTALL)
_HTML = re.compile(r"<(!doctype\s+html|html)\b", re.IGNORECASE)
_CDA = re.compile(r"<([\w.-]+:)?ClinicalDocument\b")
_ELEMENT = re.compile(r"<([A-Za-z_][\w.:-]*)(?:\s[^<>]*)?>")
_HL7 = re.compile(r"(MSH|FHS|BHS)[^\w\s]")
# A key, or an object in a list: no note begins so.
_JSON = re.compile(r'(?:\[\s*)?\{\s*"(?:[^"\\]|\\.){0,200}"\s*:')

# How files of other kinds begin, and what they are.
_FOREIGN = {
    b"%PDF-": "a PDF document: take its text out first",
    b"PK\x03\x04": "a zip archive, as .docx and .xlsx are: take the text out first",
    b"\xd0\xcf\x11\xe0": "an old Office document: take its text out first",
    b"\x1f\x8b": "gzip data: give it a name that ends in .gz",
}

# More of a text is not looked at, except where all of it may be one JSON value or one element.
_HEAD = 65_536
# A longer first line is not one of names, and a name is a word.
_NAMES = 2_000
_NAME = re.compile(r'"?[\w.-]+"?')


def suffixes(kind: str | None) -> tuple[str, ...]:
    """List the names of files that a folder is searched for."""
    found: list[str] = []
    for one in IN_FOLDERS if kind is None else (kind,):
        for suffix in SUFFIXES[one]:
            found += [suffix, f"{suffix}.gz"]
    return tuple(found)


def kind_by_name(path: Path) -> str | None:
    """Recognise a file by its name; None for a text and for a name that says nothing."""
    name = path.name.lower().removesuffix(".gz")
    return next((kind for kind, own in SUFFIXES.items() if kind != "text" and name.endswith(own)), None)


def kind_by_content(text: str, text_field: str = "text") -> str | None:
    """Recognise a text by how it begins; None for a note.

    A first line that is a JSON object makes JSON lines. A text that begins as a JSON object or a list of them does is
    JSON, and so is a list of texts. A first line of names, the field of notes among them, makes a table. One element
    around the whole text makes XML, or HTML if it is one of HTML's.
    """
    head = text[:_HEAD].lstrip("\ufeff \t\r\n\x0b")
    if _HL7.match(head):
        return "hl7"
    if head.startswith("{\\rtf"):
        return "rtf"
    if head.startswith("<"):
        return _kind_of_markup(head, text)
    if head.startswith("{") and is_object(text.lstrip("\ufeff \t\r\n").partition("\n")[0]):
        return "jsonl"
    if head.startswith(("{", "[")) and (_JSON.match(head) or _is_json(text)):
        return "json"
    return _kind_of_table(head, text_field)


def _kind_of_markup(head: str, text: str) -> str | None:
    prolog = _PROLOG.match(head)
    begin = head[prolog.end() if prolog else 0 :]
    if _HTML.match(begin):
        return "html"
    if _CDA.match(begin):
        return "xml"
    element = _ELEMENT.match(begin)
    if element and text.rstrip().endswith(f"</{element[1]}>"):
        return "html" if element[1].lower() in BLOCKS else "xml"
    return "xml" if head.startswith("<?xml") else None


def _kind_of_table(head: str, text_field: str) -> str | None:
    """Recognise a first line of names, the field of notes among them, above a row of as many fields."""
    line, _, more = head.partition("\n")
    if text_field not in line or len(line) > _NAMES:
        return None
    for separator in SEPARATORS["csv"]:
        names = names_of(line, separator)
        if (
            text_field in names
            and len(names) > 1
            and all(map(_NAME.fullmatch, line.rstrip("\r").split(separator)))
        ):
            row = next(csv.reader(more.splitlines(keepends=True), delimiter=separator), [])
            if len(row) == len(names):
                return "tsv" if separator == "\t" else "csv"
    return None


def foreign(data: bytes) -> str | None:
    """Say what a file of another kind is, by its first bytes; None for what may be text or Parquet."""
    return next((what for begin, what in _FOREIGN.items() if data.startswith(begin)), None)


def is_object(line: str) -> bool:
    """Say whether a line is a JSON object."""
    try:
        parse_object(line, "")
    except InputError:
        return False
    return True


def _is_json(text: str) -> bool:
    try:
        value = parse_json(text.strip("\ufeff \t\r\n"), "")
    except InputError:
        return False
    # "[x]" is how a form ticks a box, and "[1]" a reference: neither is a file of notes.
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(row, dict | str) for row in value)
    )
