"""Ways in which reading texts with labels fails: JSONL, AutoML's JSONL, and tables."""

from __future__ import annotations

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.privacy.failing_paths import NOTE, Action, Place, adder
from tests.support.tiny import text_bundles

from clinspan.cli.main import main
from clinspan.documents.labelled import read_labelled
from clinspan.text.merge import Scoring

PATHS: dict[str, Action] = {}
path = adder(PATHS)

ROWS: dict[str, Any] = {
    "text of another kind": {"text": [NOTE], "label": "a"},
    "second text of another kind": {"text": NOTE, "text_pair": 3, "label": "a"},
    "id of another kind": {"id": [NOTE], "text": NOTE, "label": "a"},
    "no label": {"text": NOTE},
    "label of another kind": {"text": NOTE, "labels": [NOTE, 3]},
    "automl text elsewhere": {"textGcsUri": NOTE},
    "automl without a name": {"textContent": NOTE, "classificationAnnotation": {"name": NOTE}},
}
TABLES: dict[str, tuple[str, str | bytes]] = {
    "cells too many": ("a.csv", f"text,label\n{NOTE},a,b,{NOTE}\n"),
    "quote left open": ("a.csv", f'text,label\n"{NOTE}'),
    "table not UTF-8": ("a.tsv", b"text\tlabel\n" + NOTE.encode() + b"\xff\ta\n"),
    "packed table cut off": ("a.tsv.gz", gzip.compress(f"text\tlabel\n{NOTE}\ta\n".encode())[:-9]),
    "unknown name": ("a.doc", NOTE),
}


def labelled(place: Place, name: str, content: str | bytes) -> object:
    return list(read_labelled(place.write(name, content)))


for kind, row in ROWS.items():
    path(kind, partial(labelled, name="a.jsonl", content=json.dumps(row)))
for kind, (name, content) in TABLES.items():
    path(kind, partial(labelled, name=name, content=content))
path("no such file", lambda place: list(read_labelled(Path(place.root, "inputs", "missing.csv"))))


def scored(place: Place, rows: Any, *more: str, problem: str = "single-label") -> None:
    names = text_bundles.LABELS if problem != "regression" else ("score",)
    bundle = text_bundles.classifier(place.root / "classifier", Scoring(names, problem))
    gold = place.write("gold.jsonl", "\n".join(map(json.dumps, rows)))
    assert main(["evaluate", "--model", str(bundle), "--gold", gold, *more]) in (1, 2)


path(
    "scored by an option for entities",
    lambda place: scored(place, [{"text": NOTE, "label": "fever"}], "--details"),
)
path("nothing to score", partial(scored, rows=[]))
path("scored with two labels", partial(scored, rows=[{"text": NOTE, "labels": ["fever", NOTE]}]))
path("scored without a number", partial(scored, rows=[{"text": NOTE, "label": NOTE}], problem="regression"))
path("scored with too few draws", lambda place: scored(place, [], "--resamples", "-1"))
path("scored on a page without labels", lambda place: scored(place, [], "--html", "x", problem="regression"))
