"""Ways in which results of an earlier run are not what they should be."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tests.promises.privacy.command_line import command
from tests.support.privacy.failing_paths import (
    NOTE,
    Action,
    Place,
    adder,
)

from clinspan.extract import results

PATHS: dict[str, Action] = {}
path = adder(PATHS)

RESULT = json.dumps(
    {"id": "1", "spans": [{"label": "X", "start": 3, "end": 15, "text": NOTE[3:15], "score": 0.5}]}
)
EARLIER = {
    "not ours": json.dumps({"text": NOTE}) + "\n",
    "not ours, torn": NOTE,
    "other": RESULT + "\n",
}


def resumed(place: Place, kind: str) -> None:
    notes, out = (
        place.write("notes.jsonl", json.dumps({"text": NOTE})),
        place.write("out.jsonl", EARLIER[kind]),
    )
    command(place, "extract", notes, "-f", "jsonl", "-o", out, "--resume")


OTHER = f"{NOTE} No fever."
# Texts of the notes now, their names, and the end of a line of results, of a run over NOTE and OTHER that named them "a" and "b".
CHANGED = {
    "another name": ([NOTE, OTHER], ["a", NOTE], "}"),
    "another text": ([NOTE, NOTE], ["a", "b"], "}"),
    "fewer notes": ([NOTE], ["a"], "}"),
    "other results": ([NOTE, OTHER], ["a", "b"], " }"),
}


def resumed_after_a_change(place: Place, kind: str) -> None:
    texts, names, end = CHANGED[kind]
    out = Path(place.write("out.jsonl", ""))
    options = ["-f", "jsonl", "-o", str(out), "--id-field", "name"]
    command(place, "extract", _named(place, [NOTE, OTHER], ["a", "b"]), *options, fails=False)
    out.write_text(out.read_text().replace("}\n", f"{end}\n"))
    command(place, "extract", _named(place, texts, names), *options, "--resume")


def _named(place: Place, texts: list[str], names: list[str]) -> str:
    rows = [json.dumps({"name": name, "text": text}) for name, text in zip(names, texts, strict=True)]
    return place.write("notes.jsonl", "\n".join(rows))


def two_of_one_name(place: Place) -> None:
    notes = place.write("notes.jsonl", f"{json.dumps({'id': 'a', 'text': NOTE})}\n" * 2)
    command(place, "extract", notes, "-f", "brat", "-o", str(place.root / "inputs" / "brat"))


def twice_open(place: Place) -> None:
    out = Path(place.write("out.jsonl", RESULT))
    with results.ResultFile(out), results.ResultFile(out):
        pass


for kind in EARLIER:
    path(f"resume {kind}", partial(resumed, kind=kind))
for kind in CHANGED:
    path(f"resume {kind}", partial(resumed_after_a_change, kind=kind))
path("two files of one name", two_of_one_name)
path("results locked", twice_open)
path("results unreadable", lambda place: list(results.read_result_lines(place.root / "inputs")))
