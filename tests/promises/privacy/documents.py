"""Ways in which annotated documents in other people's formats fail, and scores against them."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.privacy.failing_paths import (
    LINES,
    MARKER,
    NOTE,
    Action,
    Place,
    adder,
    reading,
)

from clinspan.documents import annotated
from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import automl, brat, conll
from clinspan.documents.formats import jsonl as own
from clinspan.documents.formats.pdf import read_pdf
from clinspan.documents.scores import evaluate

PATHS: dict[str, Action] = {}
path = adder(PATHS)

for kind, content in LINES.items():
    path(f"own {kind}", reading(own.read, "own.jsonl", content))
    path(f"automl {kind}", reading(automl.read, "automl.jsonl", content))
    path(f"annotated {kind}", reading(annotated.read_annotated, "any.jsonl", content))


OWN: dict[str, dict[str, Any]] = {
    "labels": {"labels": NOTE},
    "entities": {"entities": NOTE},
    "entity": {"entities": [NOTE]},
    "id": {"id": [NOTE]},
    "label": {"entities": [{"start": 0, "end": 3, "label": [NOTE]}]},
    "offset": {"entities": [{"start": NOTE, "end": 3, "label": "X"}]},
    "outside": {"entities": [{"start": 3, "end": 3000, "label": "X"}]},
    "overlap": {"entities": [{"start": 0, "end": 9, "label": "X"}, {"start": 3, "end": 12, "label": "X"}]},
}
for kind, fields in OWN.items():
    path(f"own {kind}", reading(own.read, "own.jsonl", json.dumps({"text": NOTE, **fields})))


def in_a_pdf(uris: object) -> dict[str, Any]:
    return {"document": {"input_config": {"gcs_source": {"input_uris": uris}}}}


SNIPPET = {"text_snippet": {"content": NOTE}}
AUTOML: dict[str, dict[str, Any]] = {
    "content": {"text_snippet": {"content": [NOTE]}},
    "annotations": {**SNIPPET, "annotations": NOTE},
    "label": {**SNIPPET, "annotations": [{"display_name": [NOTE]}]},
    "segment": {**SNIPPET, "annotations": [{"display_name": "X", "text_extraction": NOTE}]},
    "uris": in_a_pdf(NOTE),
    "outside": in_a_pdf([f"../{NOTE}.pdf"]),
    "remote": in_a_pdf([f"{NOTE}://x"]),
}
for kind, row in AUTOML.items():
    path(f"automl {kind}", reading(automl.read, "automl.jsonl", json.dumps(row)))

path("conll", reading(conll.read, "note.conll", "\n".join(f"{word} {MARKER}" for word in NOTE.split())))
path("conll not UTF-8", reading(conll.read, "note.conll", NOTE.encode() + b"\xff"))
path("lines missing", lambda place: list(own.read(place.root / "missing.jsonl")))
path("annotated missing", lambda place: list(annotated.read_annotated(place.root / "missing.jsonl")))
path("annotated format", lambda p: list(annotated.read_annotated(p.write("a.jsonl", NOTE), format="x")))
path("annotated name", reading(annotated.read_annotated, "note.txt", NOTE))
path("annotated empty", reading(annotated.read_annotated, "note.jsonl", ""))
STANDOFF = {
    "columns": f"T1 X 0 3 {NOTE}",
    "pieces": f"T1\tX 0 2;4 6\t{NOTE}",
    "offsets": f"T1\tX a b\t{NOTE}",
    "quote": f"T1\tX 0 2\t{NOTE}",
    "outside": f"T1\tX 0 900\t{NOTE}",
    "no-text": None,
    "not-utf8": None,
    "folder": None,
}


def standoff(place: Place, kind: str) -> object:
    folder = place.root / "inputs"
    name = "other" if kind == "no-text" else "note"
    place.write("note.txt", NOTE.encode() + (b"\xff" if kind == "not-utf8" else b""))
    place.write(f"{name}.ann", STANDOFF[kind] or NOTE)
    if kind == "folder":
        (folder / "note.txt").unlink()
        (folder / "note.txt").mkdir()
    return list(brat.read(folder))


for kind in STANDOFF:
    path(f"brat {kind}", partial(standoff, kind=kind))
path("brat empty", lambda place: list(brat.read(place.root / "inputs")))


def written(place: Place, id: str, label: str, text: str = NOTE, end: int = 15) -> None:
    target = Path(place.write("target", NOTE)) if id == "taken" else place.root / "inputs" / "out"
    brat.write([Document(id, text, (Entity(0, end, label),))], target)


path("brat write id", partial(written, id="a/b", label="X"))
path("brat write label", partial(written, id="a", label="X Y"))
path("brat write file", partial(written, id="taken", label="X"))
path("brat write line ends", partial(written, id="a", label="X", text=f"\n\n{NOTE}", end=2))


def in_automl(*entities: Entity) -> Action:
    return lambda _: automl.write([Document("1", NOTE, entities)], io.StringIO())


path("automl write outside", in_automl(Entity(0, 900, "X")))
path("automl write overlap", in_automl(Entity(0, 9, "X"), Entity(3, 12, "X")))


def page(text: str, damage: bytes = b"") -> bytes:
    """A PDF of one page, as small as they come."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        damage or b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % at for at in places)
    return (
        body
        + b"xref\n0 6\n0000000000 65535 f \n%strailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF"
        % (
            table,
            len(body),
        )
    )


def pdf(place: Place, content: bytes | None) -> object:
    if content is None:
        return read_pdf(place.root / "missing.pdf")
    return read_pdf(Path(place.write("note.pdf", content)))


path("pdf damaged", partial(pdf, content=page(NOTE, f"<< /Kids ({NOTE}) >>".encode())))
path("pdf cut off", partial(pdf, content=page(NOTE)[:200]))
path("pdf is text", partial(pdf, content=NOTE.encode()))
path("pdf without text", partial(pdf, content=page("")))
path("pdf is a folder", lambda place: read_pdf(Path(place.write("folder/x", "")).parent))
path("pdf missing", partial(pdf, content=None))

GOLD = [Document("1", NOTE, (Entity(3, 15, "X"),))]
path("evaluate pairs", lambda _: evaluate(GOLD, []))
path("evaluate resamples", lambda _: evaluate(GOLD, [[]], resamples=-1))
path("evaluate seed", lambda _: evaluate(GOLD, [[]], seed=-1))
