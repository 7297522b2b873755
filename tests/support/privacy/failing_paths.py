"""Paths on which something goes wrong while a note is read: what the pages of tests/promises/privacy are written with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clinspan import LoadOptions, Recognizer
from clinspan.strict_json import MAX_PARTS
from clinspan.textfiles import MAX_BLANK_LINES
from tests.support import bundles

MARKER = "Quillfeather"
NOTE = f"Mr {MARKER} has pneumonia and takes aspirin 81 mg."


@dataclass
class Place:
    """A folder of its own for a path: inputs are below `inputs`, everything else is watched."""

    root: Path

    def write(self, name: str, content: str | bytes) -> str:
        """An input file; returns its path."""
        path = self.root / "inputs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return str(path)


Action = Callable[[Place], object]


def adder(paths: dict[str, Action]) -> Callable[[str, Action], None]:
    """A function that adds a path to a page; each has a name of its own."""

    def path(name: str, action: Action) -> None:
        assert name not in paths
        paths[name] = action

    return path


def recognizer(place: Place, *, table: np.ndarray | None = None, threads: int = 1) -> Recognizer:
    """The tiny model, whole or broken."""
    folder = bundles.bundle(place.root / "inputs" / "bundle", table=table)
    # A broken model would be refused on load, before a note is read.
    return Recognizer.load(
        folder, threads=threads, window=8, options=LoadOptions(verify="full" if table is None else "off")
    )


BROKEN = {
    "fails": np.zeros((3, 5), np.float32),
    "not-a-number": np.full((400, 5), np.nan, np.float32),
    "wrong-shape": np.zeros((400, 4), np.float32),
}
Reader = Callable[[Path], Iterator[Any]]


def reading(reader: Reader, name: str, content: str | bytes) -> Action:
    return lambda place: list(reader(Path(place.write(name, content))))


LINES: dict[str, str | bytes] = {
    "cut off": json.dumps({"text": NOTE})[:-3],
    "control": f'{{"text": "{NOTE}\x01"}}',
    "deep": f'{{"text": "{NOTE}", "entities": ' + "[" * 100_000,
    "not UTF-8": json.dumps({"text": NOTE}).encode() + b"\xff",
    "string": json.dumps(NOTE),
    "text missing": json.dumps({"note": NOTE}),
    "text a list": json.dumps({"text": [NOTE]}),
    "key twice": f'{{"text": "{NOTE}", "{NOTE}": 1, "{NOTE}": 1}}',
    "constant": f'{{"text": "{NOTE}", "{NOTE}": NaN}}',
    "number too large": f'{{"text": "{NOTE}", "{NOTE}": 1e999}}',
    "many values": f'{{"text": "{NOTE}", "{NOTE}": [' + "0," * MAX_PARTS + "0]}",
    "blank lines": f'{{"text": "{NOTE}"}}' + "\n" * (MAX_BLANK_LINES + 2),
}
