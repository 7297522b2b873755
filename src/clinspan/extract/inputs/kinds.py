"""Recognise what a file holds, by its name and, where the name says nothing, by how its text begins."""

from __future__ import annotations

import re
from pathlib import Path

from clinspan.errors import InputError
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

_HTML = re.compile(r"<(!doctype\s+html|html)\b", re.IGNORECASE)
_XML = re.compile(r"<\?xml\s|<([\w.-]+:)?ClinicalDocument\b")

# More of a text is not looked at, except where all of it may be one JSON value.
_HEAD = 65_536


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


def kind_by_content(text: str) -> str | None:
    """Recognise a text by how it begins; None for a note.

    A first line that is a JSON object makes JSON lines. A text that is one JSON object or a list of objects is JSON.
    """
    head = text[:_HEAD].lstrip("\ufeff \t\r\n")
    if head.startswith(("MSH|", "FHS|", "BHS|")):
        return "hl7"
    if head.startswith("{\\rtf"):
        return "rtf"
    if _HTML.match(head):
        return "html"
    if _XML.match(head):
        return "html" if _HTML.search(head) else "xml"
    if head.startswith("{") and is_object(text.lstrip("\ufeff \t\r\n").partition("\n")[0]):
        return "jsonl"
    return "json" if head.startswith(("{", "[")) and _is_json(text) else None


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
        isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)
    )
