"""Ways in which a command fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from tests.support.privacy.failing_paths import (
    BROKEN,
    LINES,
    NOTE,
    Action,
    Place,
    adder,
    recognizer,
)

from clinspan.cli.main import main

PATHS: dict[str, Action] = {}
path = adder(PATHS)
ANNOTATED = json.dumps({"text": NOTE, "entities": [{"start": 3, "end": 15, "label": "DRUG"}]})


def command(place: Place, *arguments: str, fails: bool = True) -> None:
    """Run it, and tell by its exit code that it failed."""
    model = place.root / "inputs" / "bundle"
    code = main([*arguments, "--model", str(model if model.exists() else recognizer(place)._bundle.path)])
    assert code in ((1, 2) if fails else (0,))


COMMANDS: dict[str, Callable[[Place], list[str]]] = {
    "bad line": lambda p: ["extract", p.write("notes.jsonl", LINES["cut off"])],
    "not UTF-8": lambda p: ["extract", p.write("note.txt", NOTE.encode() + b"\xff")],
    "format": lambda p: ["extract", "-f", "jsonl", p.write("notes.jsonl", LINES["text missing"])],
    "threshold": lambda p: ["extract", p.write("note.txt", NOTE), "--threshold", "X=2"],
    "missing": lambda p: ["extract", p.write("note.txt", NOTE), str(p.root / "missing")],
    "output is input": lambda p: ["extract", p.write("note.txt", NOTE), "-o", p.write("note.txt", NOTE)],
    "output": lambda p: ["extract", p.write("note.txt", NOTE), "-o", p.write("f", "") + "/x"],
    "skip": lambda p: ["extract", p.write("notes.jsonl", LINES["cut off"]), "--on-error", "skip"],
    "skip as JSON": lambda p: ["extract", p.write("n.jsonl", LINES["string"]), "--on-error", "skip", "-f", "jsonl"],
    "evaluate": lambda p: ["evaluate", "--gold", p.write("gold.jsonl", LINES["string"])],
    "evaluate empty": lambda p: ["evaluate", "--gold", p.write("gold.conll", "")],
    "evaluate page": lambda p: [
        "evaluate", "--gold", p.write("g.jsonl", ANNOTATED), "--html", p.write("f", "") + "/x"
    ],
    "bench": lambda p: ["bench", "--notes", p.write("note.txt", NOTE.encode() + b"\xff")],
}  # fmt: skip


def on_a_broken_model(place: Place, *arguments: str) -> None:
    recognizer(place, table=BROKEN["fails"])
    command(place, "extract", place.write("note.txt", NOTE), "--verify", "off", *arguments)


def made(place: Place, arguments: Callable[[Place], list[str]]) -> None:
    command(place, *arguments(place))


path("model fails", on_a_broken_model)
path("model fails, skip", lambda place: on_a_broken_model(place, "--on-error", "skip"))
for kind, arguments in COMMANDS.items():
    path(kind, partial(made, arguments=arguments))
