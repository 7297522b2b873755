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
    "other id": RESULT.replace('"1"', '"2"') + "\n",
    "too many": (RESULT + "\n") * 2,
}


def resumed(place: Place, kind: str) -> None:
    notes, out = (
        place.write("notes.jsonl", json.dumps({"text": NOTE})),
        place.write("out.jsonl", EARLIER[kind]),
    )
    if kind == "too many":
        command(place, "extract", notes, "-f", "jsonl", "-o", out, "--force", fails=False)
        Path(out).write_text(Path(out).read_text() * 2)
    command(place, "extract", notes, "-f", "jsonl", "-o", out, "--resume")


def two_of_one_name(place: Place) -> None:
    notes = place.write("notes.jsonl", f"{json.dumps({'id': 'a', 'text': NOTE})}\n" * 2)
    command(place, "extract", notes, "-f", "brat", "-o", str(place.root / "inputs" / "brat"))


def twice_open(place: Place) -> None:
    out = Path(place.write("out.jsonl", RESULT))
    with results.ResultFile(out), results.ResultFile(out):
        pass


for kind in EARLIER:
    path(f"resume {kind}", partial(resumed, kind=kind))
path("two files of one name", two_of_one_name)
path("results locked", twice_open)
path("results unreadable", lambda place: list(results.read_result_lines(place.root / "inputs")))
