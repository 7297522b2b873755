"""Ways in which reading notes from files and standard input fails, and profiles beside them."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.privacy.failing_paths import (
    LINES,
    NOTE,
    Action,
    Place,
    adder,
    reading,
)

from clinspan import textfiles as lines
from clinspan.cli.console import write_stdout
from clinspan.engine.profile import read_profile
from clinspan.extract.notes import ReadOptions, list_notes, read_notes

PATHS: dict[str, Action] = {}
path = adder(PATHS)


def notes_of(file: Path) -> Iterator[Any]:
    return read_notes([str(file)])


for kind, content in LINES.items():
    path(kind, reading(notes_of, "notes.jsonl", content))

PACKED = gzip.compress(json.dumps({"text": NOTE}).encode())
path("gzip cut off", reading(notes_of, "notes.jsonl.gz", PACKED[:-9]))
path("gzip damaged", reading(notes_of, "notes.jsonl.gz", b"x" + PACKED))
path("line too long", lambda place: list(lines.read_lines(Path(place.write("a.jsonl", NOTE)), max_bytes=9)))
path(
    "text too long",
    lambda p: [e.read() for e in list_notes([p.write("a.txt", NOTE)], ReadOptions(max_bytes=9))],
)
path("id", reading(notes_of, "notes.jsonl", json.dumps({"text": NOTE, "id": [NOTE]})))
path("stdin fails", lambda place: on_a_broken_disk("stdin", lambda: list(read_notes(["-"]))))
path("stdin closed", lambda place: without_stdin(lambda: list(read_notes(["-"]))))
path("stdout fails", lambda place: on_a_broken_disk("stdout", lambda: write_stdout(NOTE)))


class BrokenStream:
    """A standard stream on a disk that has just failed, as far as clinspan uses one."""

    encoding = "utf-8"

    @property
    def buffer(self) -> BrokenStream:
        return self

    def isatty(self) -> bool:
        return False

    def read(self, *_: object) -> Any:
        raise OSError(5, "Input/output error")

    write = flush = fileno = readline = read


def without_stdin(action: Callable[[], object]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", None)
        action()


def on_a_broken_disk(stream: str, run: Callable[[], object]) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, stream, BrokenStream())
        return run()


path("empty", reading(notes_of, "notes.jsonl", ""))
path("text empty", reading(notes_of, "note.txt", ""))
path("text not UTF-8", reading(notes_of, "note.txt", NOTE.encode() + b"\xff"))
path("missing", lambda place: list(read_notes([str(place.root / "missing.txt")])))
path("profile", lambda place: read_profile(Path(place.write("profile.json", NOTE))))
path(
    "profile fields", lambda place: read_profile(Path(place.write("profile.json", json.dumps({NOTE: NOTE}))))
)
path("profile types", lambda p: read_profile(Path(p.write("profile.json", json.dumps({"threads": NOTE})))))
path("profile missing", lambda place: read_profile(place.root / "missing.json"))

MESSAGE = f"MSH|^~\\&|A\rOBX|1|TX|N||{NOTE}\r"
STRUCTURED: dict[str, dict[str, str]] = {
    "n.json": {"no rows": f'"{NOTE}"', "damaged": f'[{{"text": "{NOTE}"', "item": f'["{NOTE}"]'},
    "n.csv": {
        "column": f"{NOTE}\n{NOTE}\n",
        "fields": f"text\n{NOTE},{NOTE}\n",
        "quotation": f'text\n"{NOTE}\n',
        "twice": f"text,text\n{NOTE},{NOTE}\n",
    },
    "n.hl7": {
        "no message": NOTE,
        "cut off": "MSH",
        "no segment": f"{MESSAGE}{NOTE}\r",
        "no text": MESSAGE.replace("TX", "NM"),
        "another format": MESSAGE.replace("TX", "ED"),
    },
    "n.xml": {
        "entities": f"<!DOCTYPE {NOTE}>",
        "damaged": f"<ClinicalDocument>{NOTE}",
        "other": f"<note>{NOTE}</note>",
        "no text": f'<ClinicalDocument id="{NOTE}"/>',
        "deep": f"<ClinicalDocument><text>{'<p>' * 5000}{NOTE}{'</p>' * 5000}</text></ClinicalDocument>",
        "body": f"<ClinicalDocument><nonXMLBody>{NOTE}</nonXMLBody></ClinicalDocument>",
    },
}
for name, contents in STRUCTURED.items():
    for kind, text in contents.items():
        path(f"{name} {kind}", reading(notes_of, name, text))
path("other program", reading(notes_of, "n.bin", f"%PDF-1.7 {NOTE}"))
path("parquet on standard input", lambda place: list_of_stdin("parquet"))


def long_row(place: Place) -> object:
    table = place.write("n.csv", f"text\n{NOTE}\n")
    return [entry.read() for entry in list_notes([str(table)], ReadOptions(max_bytes=9))]


path("csv row too long", long_row)


def list_of_stdin(kind: str) -> object:
    return [entry.read() for entry in list_notes(["-"], ReadOptions(kind=kind))]
