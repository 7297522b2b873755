"""No note's text in an error, a log, a warning, a stream or a file, whatever goes wrong."""

from __future__ import annotations

import ast
import base64
import gzip
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from tests.support import bundles, example_notes, small_tokenizers
from tokenizers import Tokenizer

import clinspan
from clinspan import LoadOptions, Recognizer, Span
from clinspan import textfiles as lines
from clinspan.cli.console import write_stdout
from clinspan.cli.main import main
from clinspan.clinical import assertions, regimens
from clinspan.documents import annotated, automl, brat, conll
from clinspan.documents import jsonl as own
from clinspan.documents.document import Document, Entity
from clinspan.documents.pdf import read_pdf
from clinspan.documents.scores import evaluate
from clinspan.engine.calls import begin
from clinspan.engine.profile import read_profile
from clinspan.extract import results
from clinspan.extract.notes import ReadOptions, list_notes, read_notes
from clinspan.serving import RequestLimits, Service, make_handler, make_http
from clinspan.serving.request import parse_json, parse_request

MARKER = "Quillfeather"
NOTE = f"Mr {MARKER} has pneumonia and takes aspirin 81 mg."
SOURCE = Path(clinspan.__file__).parent

# Where no note has been read yet, or where what is said is about the caller's own options.
NO_NOTE_THERE = {
    "package/": "makes packages; never sees a note",
    "cli/package.py": "makes packages; never sees a note",
    "bundle/manifest.py": "reads model folders, before any note",
    "strict_json.py:read_bytes": "reads model folders, before any note",
    "strict_json.py:Fields": "reads model folders, before any note",
    "bundle/integrity.py": "reads model folders, before any note",
    "bundle/hub_folder.py": "reads model folders, before any note",
    "bundle/onnx_scan.py": "reads model folders, before any note",
    "bundle/signature.py": "reads model folders, before any note",
    "bundle/self_check.py": "looks at a model, and runs it on tokens of its own",
    "text/labels.py": "reads label names of a model",
    "options.py": "says types and numbers of options",
    "text/windows.py:check": "says numbers of options",
    "engine/session.py:_start": "loads a model",
    "engine/session.py:Session._started_again:DeviceError": "says what a GPU cannot do",
    "engine/session.py:Session._started_again:BundleError": "loads a model again",
    "engine/session.py:Session._check": "looks at a model",
    "engine/session.py:Session.__init__": "looks at a model",
    "engine/session.py:_onnxruntime": "imports",
    "engine/providers.py": "says names of devices and settings",
    "text/tokenizer.py:Tokenizer.__init__": "loads a tokenizer",
    "text/tokenizer.py:_special_frame": "loads a tokenizer",
    "recognizer.py:Recognizer.__reduce__:TypeError": "says how to make a recognizer",
    "bundle/loading.py": "loads a model",
    "bundle/load_options.py": "says names of options",
    "cli/load_flags.py": "says what is wrong with an option",
    "serving/limits.py": "reads the environment",
    "serving/logs.py:configure": "reads the environment",
    "serving/__init__.py": "looks up a name",
    "cli/extract.py:_check:": "says the command line's own options",
    "cli/extract.py:_threshold": "says the command line's own options",
    "cli/pairs.py:split_pairs": "says the command line's own options",
    "documents/pdf.py:read_pdf:MissingDependencyError": "imports",
    "clinical/cues/files.py": "reads files of cues, before any note",
}


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
PATHS: dict[str, Action] = {}


def path(name: str, action: Action) -> None:
    """Add a way in which something goes wrong while a note is being read."""
    assert name not in PATHS
    PATHS[name] = action


# Clinical rules -------------------------------------------------------------------------------------------------------

OUTSIDE = [Span("PROBLEM", 5, len(NOTE) + 1, NOTE[5:], 1.0)]

path("clinical span outside", lambda place: assertions(NOTE, OUTSIDE))
path("clinical note of bytes", lambda place: regimens(NOTE.encode(), OUTSIDE))  # type: ignore[arg-type]


# Calls on a recognizer ------------------------------------------------------------------------------------------------


@cache
def tokenizer() -> Tokenizer:
    return small_tokenizers.wordpiece([path.read_text(encoding="utf-8") for path in example_notes.EXAMPLES])


def recognizer(place: Place, *, table: np.ndarray | None = None, threads: int = 1) -> Recognizer:
    """The tiny model, whole or broken."""
    folder = bundles.bundle(place.root / "inputs" / "bundle", tokenizer(), table=table)
    # A broken model would be refused on load, before a note is read.
    return Recognizer.load(
        folder, threads=threads, window=8, options=LoadOptions(verify="full" if table is None else "off")
    )


def reloaded(place: Place, **options: Any) -> Recognizer:
    return Recognizer.load(recognizer(place)._bundle.path, threads=1, options=LoadOptions(**options))


BROKEN = {
    "fails": np.zeros((3, 5), np.float32),
    "not-a-number": np.full((400, 5), np.nan, np.float32),
    "wrong-shape": np.zeros((400, 4), np.float32),
}
CALLS: dict[str, Callable[[Recognizer], object]] = {
    "recognize": lambda model: model.recognize(NOTE),
    "pipe": lambda model: list(model.pipe(["ok", NOTE])),
    "token_logits": lambda model: model.token_logits(NOTE),
}


def broken(place: Place, table: np.ndarray, call: Callable[[Recognizer], object], threads: int) -> object:
    return call(recognizer(place, table=table, threads=threads))


for kind, table in BROKEN.items():
    for call, run in CALLS.items():
        for threads in (1, 2):
            path(f"{call} {kind} {threads}", partial(broken, table=table, call=run, threads=threads))


def quoting() -> Any:
    """A tokenizer that fails as the library does, and says on what."""
    library: dict[str, Any] = {"__name__": "tokenizers.quoting"}
    exec("class Backend:\n    def encode(self, text, **_):\n        raise ValueError(text)", library)
    return library["Backend"]()


def broken_tokenizer(place: Place, call: Callable[[Recognizer], object], **changes: object) -> object:
    model = recognizer(place)
    for name, value in changes.items():
        setattr(model._tokenizer, name, value)
    return call(model)


for call, run in CALLS.items():
    path(f"{call} tokenizer fails", partial(broken_tokenizer, call=run, _backend=quoting()))
    path(f"{call} tokenizer unsound", partial(broken_tokenizer, call=run, largest_id=0))

OPTIONS: dict[str, dict[str, Any]] = {
    "aggregation": {"aggregation": "middle"},
    "threshold": {"threshold": 2},
    "threshold label": {"threshold": {"NONE": 0.5}},
    "timeout": {"timeout": -1},
    "deadline": {"timeout": 1e-9},
}
for kind, options in OPTIONS.items():
    path(f"recognize {kind}", lambda place, o=options: recognizer(place).recognize(NOTE, **o))
    path(f"pipe {kind}", lambda place, o=options: list(recognizer(place).pipe([NOTE], **o)))
path("recognize bytes", lambda place: recognizer(place).recognize(NOTE.encode()))
path("pipe list", lambda place: list(recognizer(place).pipe([[NOTE]])))
path("pipe one string", lambda place: recognizer(place).pipe(NOTE))
path("pipe a number", lambda place: recognizer(place).pipe(3))


def in_batches(place: Place, *notes: Any) -> object:
    """As on a GPU."""
    model = recognizer(place, table=BROKEN["fails"] if len(notes) == 1 else None)
    model._runner._batch_tokens = 64
    return list(model.pipe(notes))


def given_up() -> None:
    call = begin(lambda: False, 1)
    call.given_up = True
    call.check(0)


def closed(place: Place, call: Callable[[Recognizer], object]) -> object:
    model = recognizer(place, threads=2)
    model.recognize(NOTE)
    model.close()
    return call(model)


def closed_below(place: Place, close: Callable[[Recognizer], object]) -> object:
    """As where another thread closes it while a note is read."""
    model = recognizer(place, threads=2)
    close(model)
    return list(model.pipe([NOTE]))


path("batch fails", lambda place: in_batches(place, NOTE))
path("batch of bytes", lambda place: in_batches(place, NOTE, NOTE.encode()))
path("note too long", lambda place: reloaded(place, max_characters=10).recognize(NOTE))
path("second note is bytes", lambda place: list(recognizer(place, threads=2).pipe([NOTE, NOTE.encode()])))
path("given up", lambda _: given_up())
for call, run in {**CALLS, "pickle": pickle.dumps}.items():
    path(f"{call} after close", partial(closed, call=run))
path("closed meanwhile", lambda _: begin(iter([False, True]).__next__).check(0))
path("made by hand", lambda _: Recognizer(NOTE))
path("workers closed", partial(closed_below, close=lambda model: model._runner.workers.close()))
path("session closed", partial(closed_below, close=lambda model: model._runner.model.close()))

# Readers --------------------------------------------------------------------------------------------------------------

Reader = Callable[[Path], Iterator[Any]]


def reading(reader: Reader, name: str, content: str | bytes) -> Action:
    return lambda place: list(reader(Path(place.write(name, content))))


def notes_of(file: Path) -> Iterator[Any]:
    return read_notes([str(file)])


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
}
for kind, content in LINES.items():
    path(f"notes {kind}", reading(notes_of, "notes.jsonl", content))
    path(f"own {kind}", reading(own.read, "own.jsonl", content))
    path(f"automl {kind}", reading(automl.read, "automl.jsonl", content))
    path(f"annotated {kind}", reading(annotated.read_annotated, "any.jsonl", content))

OWN = {
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

SNIPPET = {"text_snippet": {"content": NOTE}}
SOURCE_OF_PDF = lambda uris: {"document": {"input_config": {"gcs_source": {"input_uris": uris}}}}  # noqa: E731
AUTOML = {
    "content": {"text_snippet": {"content": [NOTE]}},
    "annotations": {**SNIPPET, "annotations": NOTE},
    "label": {**SNIPPET, "annotations": [{"display_name": [NOTE]}]},
    "segment": {**SNIPPET, "annotations": [{"display_name": "X", "text_extraction": NOTE}]},
    "uris": SOURCE_OF_PDF(NOTE),
    "remote": SOURCE_OF_PDF([f"{NOTE}://x"]),
}
for kind, row in AUTOML.items():
    path(f"automl {kind}", reading(automl.read, "automl.jsonl", json.dumps(row)))

path("conll", reading(conll.read, "note.conll", "\n".join(f"{word} {MARKER}" for word in NOTE.split())))
path("conll not UTF-8", reading(conll.read, "note.conll", NOTE.encode() + b"\xff"))
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
path("stdout fails", lambda place: on_a_broken_disk("stdout", lambda: write_stdout(NOTE)))


class BrokenStream(io.StringIO):
    """On a disk that has just failed."""

    @property
    def buffer(self) -> io.StringIO:
        return self

    def read(self, *_: object) -> Any:
        raise OSError(5, "Input/output error")

    write = flush = read


def on_a_broken_disk(stream: str, run: Callable[[], object]) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, stream, BrokenStream())
        return run()


path("notes empty", reading(notes_of, "notes.jsonl", ""))
path("notes text empty", reading(notes_of, "note.txt", ""))
path("notes text not UTF-8", reading(notes_of, "note.txt", NOTE.encode() + b"\xff"))
path("notes missing", lambda place: list(read_notes([str(place.root / "missing.txt")])))
path("lines missing", lambda place: list(own.read(place.root / "missing.jsonl")))
path("annotated missing", lambda place: list(annotated.read_annotated(place.root / "missing.jsonl")))
path("annotated format", lambda p: list(annotated.read_annotated(p.write("a.jsonl", NOTE), format="x")))
path("annotated name", reading(annotated.read_annotated, "note.txt", NOTE))
path("annotated empty", reading(annotated.read_annotated, "note.jsonl", ""))
path("profile", lambda place: read_profile(Path(place.write("profile.json", NOTE))))
path(
    "profile fields", lambda place: read_profile(Path(place.write("profile.json", json.dumps({NOTE: NOTE}))))
)
path("profile types", lambda p: read_profile(Path(p.write("profile.json", json.dumps({"threads": NOTE})))))
path("profile missing", lambda place: read_profile(place.root / "missing.json"))

STANDOFF = {
    "columns": f"T1 X 0 3 {NOTE}",
    "pieces": f"T1\tX 0 2;3 5\t{NOTE}",
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


def written(place: Place, id: str, label: str) -> None:
    target = Path(place.write("target", NOTE)) if id == "taken" else place.root / "inputs" / "out"
    brat.write([Document(id, NOTE, (Entity(3, 15, label),))], target)


path("brat write id", partial(written, id="a/b", label="X"))
path("brat write label", partial(written, id="a", label="X Y"))
path("brat write file", partial(written, id="taken", label="X"))


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
path("pdf missing", partial(pdf, content=None))

# Evaluation -----------------------------------------------------------------------------------------------------------

GOLD = [Document("1", NOTE, (Entity(3, 15, "X"),))]
path("evaluate pairs", lambda _: evaluate(GOLD, []))
path("evaluate resamples", lambda _: evaluate(GOLD, [[]], resamples=-1))
path("evaluate seed", lambda _: evaluate(GOLD, [[]], seed=-1))

# Results of an earlier run ---------------------------------------------------------------------------------------------

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


def twice_open(place: Place) -> None:
    out = Path(place.write("out.jsonl", RESULT))
    with results.ResultFile(out), results.ResultFile(out):
        pass


for kind in EARLIER:
    path(f"resume {kind}", partial(resumed, kind=kind))
path("results locked", twice_open)
path("results unreadable", lambda place: list(results.read_result_lines(place.root / "inputs")))

# Functions in the cloud -----------------------------------------------------------------------------------------------


class Request:
    """As Flask's, as far as it is used."""

    def __init__(self, method: str, body: bytes, length: int | None = None) -> None:
        self.method = method
        self.content_length = len(body) if length is None else length
        self.stream = io.BytesIO(body)


class Context:
    aws_request_id = "1"

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


REQUESTS: dict[str, Any] = {
    "text": NOTE,
    "unknown field": {"text": NOTE, NOTE: 1},
    "both": {"text": NOTE, "notes": []},
    "notes": {"notes": NOTE},
    "note": {"notes": [NOTE]},
    "note field": {"notes": [{NOTE: NOTE, "text": NOTE}]},
    "note id": {"notes": [{"id": [NOTE], "text": NOTE}]},
    "ids": {"notes": [{"id": NOTE, "text": NOTE}] * 2},
    "many": {"notes": [{"text": NOTE}] * 5},
    "long": {"text": NOTE * 100},
    "text type": {"text": [NOTE]},
    "surrogate": {"text": NOTE + "\ud800"},
    "threshold": {"text": NOTE, "threshold": NOTE},
    "threshold label": {"text": NOTE, "threshold": {NOTE: 0.5}},
    "aggregation": {"text": NOTE, "aggregation": NOTE},
    "timeout": {"text": NOTE, "timeout": NOTE},
    "timeout not allowed": {"text": NOTE, "timeout": 1},
    "answer": {"notes": [{"id": NOTE * 4, "text": NOTE}]},
}
BODIES: dict[str, bytes] = {
    "not JSON": json.dumps({"text": NOTE}).encode()[:-2],
    "not UTF-8": NOTE.encode() + b"\xff",
    "deep": b"[" * 4000,
    "too large": json.dumps({"text": NOTE * 200}).encode(),
}
LIMITS = RequestLimits(
    max_bytes=5000,
    max_answer_bytes=700,
    max_notes=4,
    max_characters=400,
    options=("threshold", "aggregation"),
)


def service(place: Place, limits: RequestLimits = LIMITS, *, table: np.ndarray | None = None) -> Service:
    return Service(recognizer(place, table=table), limits)


def http_event(body: bytes | str, method: str = "POST", *, encoded: bool = True) -> dict[str, Any]:
    text = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    return {"requestContext": {"http": {"method": method}}, "body": text, "isBase64Encoded": encoded}


def direct(place: Place, value: Any) -> object:
    return make_handler(service(place))(value, None)


def over_http(place: Place, body: bytes) -> object:
    kept = service(place)
    return [make_handler(kept)(http_event(body), None), make_http(kept)(Request("POST", body))]


for kind, value in REQUESTS.items():
    path(f"direct {kind}", partial(direct, value=value))
    path(f"parse {kind}", lambda _, v=value: parse_request(v, LIMITS))
    path(f"parse {kind} allowed", lambda _, v=value: parse_request(v, RequestLimits()))
for kind, body in BODIES.items():
    path(f"http {kind}", partial(over_http, body=body))
    path(f"parse body {kind}", lambda _, b=body: parse_json(b, LIMITS))
    batch = {"Records": [{"messageId": "1", "body": body.decode("latin-1")}]}
    path(f"queue {kind}", partial(direct, value=batch))
path("http method", partial(direct, value=http_event(NOTE.encode(), "PUT")))
path("http no body", partial(direct, value={"requestContext": {}, "note": NOTE}))
path("http not base64", partial(direct, value=http_event(NOTE)))
path("http length", lambda place: make_http(service(place))(Request("POST", NOTE.encode(), 6000)))
path("no time left", lambda place: make_handler(service(place))({"text": NOTE}, Context(1)))
path("little time left", lambda place: make_handler(service(place))({"text": NOTE}, Context(501)))
path("model fails", lambda p: make_handler(service(p, table=BROKEN["fails"]))({"text": NOTE}, None))


def failing_sink(place: Place) -> object:
    def sink(name: str, answer: object) -> None:
        raise RuntimeError(NOTE)

    record = {"messageId": "1", "body": json.dumps({"text": NOTE})}
    return make_handler(service(place, RequestLimits()), sink=sink)({"Records": [record]}, None)


path("sink fails", failing_sink)

# The command line -----------------------------------------------------------------------------------------------------


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
        "evaluate", "--gold", p.write("g.jsonl", json.dumps({"text": NOTE})), "--html", p.write("f", "") + "/x"
    ],
    "bench": lambda p: ["bench", "--notes", p.write("note.txt", NOTE.encode() + b"\xff")],
}  # fmt: skip


def on_a_broken_model(place: Place, *arguments: str) -> None:
    recognizer(place, table=BROKEN["fails"])
    command(place, "extract", place.write("note.txt", NOTE), "--verify", "off", *arguments)


path("command model fails", on_a_broken_model)
path("command model fails, skip", lambda place: on_a_broken_model(place, "--on-error", "skip"))
for kind, arguments in COMMANDS.items():
    path(f"command {kind}", lambda place, a=arguments: command(place, *a(place)))

# What is watched ------------------------------------------------------------------------------------------------------


def leaks(error: BaseException) -> list[str]:
    """Where an error, or one that can be reached from it, holds the marker."""
    found, waiting, seen = [], [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        # Error reporters follow `__context__` too, hidden by `from None` or not, and show attributes.
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        held = {name: getattr(one, name, "") for name in ("args", "doc", "object", "__notes__")} | vars(one)
        said = {"message": str(one), "repr": repr(one), **{name: repr(value) for name, value in held.items()}}
        said["traceback"] = "".join(traceback.format_exception(one))
        found += [f"{type(one).__name__}.{where}" for where, text in said.items() if MARKER in text]
    return found


class Kept(logging.Handler):
    """Keeps every record, with what it would say."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if MARKER in self.format(record):
            self.found.append(f"log of {record.name}")
        if record.exc_info and record.exc_info[1]:
            self.found += [f"log of {record.name}: {leak}" for leak in leaks(record.exc_info[1])]


@contextmanager
def watched(place: Place, found: list[str]) -> Iterator[None]:
    """Say where the marker turns up: logs, warnings, both streams down to their descriptors, files."""
    folder = place.root / "watched"
    folder.mkdir(parents=True)
    (place.root / "inputs").mkdir()
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in range(2)]
    root, handler = logging.getLogger(), Kept()
    level = root.level
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(record=True) as warned,
        tempfile.TemporaryFile() as descriptor,
        redirect_stdout(streams[0]),
        redirect_stderr(streams[1]),
    ):
        warnings.simplefilter("always")
        patch.chdir(folder)
        for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
            patch.setenv(name, str(folder))
        kept = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(descriptor.fileno(), number)
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)
        descriptor.seek(0)
        said = [descriptor.read(), *(_content(stream) for stream in streams)]
    found += handler.found
    found += [f"warning {warning.category}" for warning in warned if MARKER in str(warning.message)]
    found += ["standard output or error" for text in said if MARKER.encode() in text]
    found += [f"file {path.name}" for path in folder.rglob("*")]


def _content(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()


@contextmanager
def noting_raises(reached: set[tuple[str, int]]) -> Iterator[None]:
    """Note file and line of every exception that comes up in clinspan, those that it catches itself too."""

    def local(frame: FrameType, event: str, _: object) -> Any:
        if event == "exception":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return local

    def entered(frame: FrameType, _event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(str(SOURCE)):
            return None
        frame.f_trace_lines = False
        return local

    before = sys.gettrace()
    threading.settrace(entered)
    sys.settrace(entered)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(None)  # type: ignore[arg-type]


@dataclass
class Outcome:
    """Of all paths: where the marker turned up in each, and which lines of clinspan raised."""

    found: dict[str, list[str]]
    reached: set[tuple[str, int]]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Every path, run once."""
    outcome = Outcome({}, set())
    for name, action in PATHS.items():
        found: list[str] = []
        place = Place(tmp_path_factory.mktemp("path"))
        with watched(place, found), noting_raises(outcome.reached):
            try:
                action(place)
            except Exception as error:  # noqa: BLE001 - every kind is looked at
                found += leaks(error)
        outcome.found[name] = found
    return outcome


@pytest.mark.parametrize("name", PATHS)
def test_an_error_tells_nothing_of_the_note(outcome: Outcome, name: str) -> None:
    """Not in its message, arguments, causes, contexts or traceback, nor in a log, warning, stream or file."""
    assert outcome.found[name] == []


@dataclass(frozen=True)
class Site:
    """A `raise` in clinspan's code; `name` is file, function and error."""

    file: str
    first: int
    last: int
    name: str

    def in_(self, reached: set[tuple[str, int]]) -> bool:
        return any((self.file, line) in reached for line in range(self.first, self.last + 1))


def sites() -> list[Site]:
    """Every `raise` but those that pass on what they caught."""
    found: list[Site] = []

    def walk(node: ast.AST, file: Path, names: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = names
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = (*names, child.name)
            if isinstance(child, ast.Raise) and child.exc is not None:
                function = child.exc.func if isinstance(child.exc, ast.Call) else child.exc
                name = f"{file.relative_to(SOURCE).as_posix()}:{'.'.join(names)}:{ast.unparse(function)}"
                found.append(Site(str(file), child.lineno, child.end_lineno or child.lineno, name))
            walk(child, file, inner)

    for file in sorted(SOURCE.rglob("*.py")):
        walk(ast.parse(file.read_text(encoding="utf-8")), file, ())
    return found


def exempt(site: Site) -> list[str]:
    return [key for key in NO_NOTE_THERE if site.name.startswith(key)]


def test_every_raise_is_on_a_path(outcome: Outcome) -> None:
    """So that "whatever goes wrong" stays true: a new `raise` needs a path above, or a reason why no note is there."""
    missed = [f"{s.name} (line {s.first})" for s in sites() if not exempt(s) and not s.in_(outcome.reached)]
    assert missed == []


def test_every_exemption_is_of_a_raise_that_is_there() -> None:
    """No reason outlives its code."""
    used = {key for site in sites() for key in exempt(site)}
    assert set(NO_NOTE_THERE) - used == set()


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    """A hidden context, an attribute, a log, a warning, both streams, a descriptor and a file: nothing gets past."""
    found: list[str] = []
    place = Place(tmp_path)
    with watched(place, found):
        for careless in (_hidden_context, _attribute):
            try:
                careless()
            except ValueError as error:
                found += leaks(error)
        logging.getLogger("anything").debug("%s", NOTE)
        warnings.warn(NOTE, stacklevel=1)
        sys.stdout.write(NOTE)
        os.write(2, NOTE.encode())
        Path("left.txt").write_text("x")
    assert found == [
        "JSONDecodeError.doc",
        "ValueError.message",
        "ValueError.repr",
        "ValueError.args",
        "ValueError.traceback",
        "log of anything",
        "warning <class 'UserWarning'>",
        "standard output or error",
        "standard output or error",
        "file left.txt",
    ]


def _hidden_context() -> None:
    try:
        json.loads(f'{{"{MARKER}"')
    except ValueError:
        raise ValueError("not JSON") from None


def _attribute() -> None:
    raise ValueError(NOTE)


# Reading itself -------------------------------------------------------------------------------------------------------

_READ_ONLY = """
import os, resource, sys
from clinspan import Recognizer

note, marker = sys.argv[1:]
recognizer = Recognizer.load(threads=2)
recognizer.recognize("warm")
seen = []

def audit(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC):
            seen.append(f"{event} {path}")
    elif event.split(".")[0] in ("os", "shutil", "tempfile", "sqlite3", "mmap", "socket", "subprocess"):
        if event not in ("os.listdir", "os.scandir", "os.putenv"):
            seen.append(event)

sys.addaudithook(audit)
# No process may make a regular file longer now, native libraries included: a write fails with EFBIG.
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
spans = recognizer.recognize(note * 50)
assert [s for notes in recognizer.pipe([note, note * 20]) for s in notes]
assert len(recognizer.token_logits(note))
assert spans
recognizer.report()
assert seen == [], seen
print("read", len(spans))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_recognizing_writes_nothing(tmp_path: Path) -> None:
    """No file is opened for writing, made, changed or removed; home, temporary and current folder stay empty."""
    environment = os.environ | {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", _READ_ONLY, NOTE, MARKER],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("read ")
    assert MARKER not in done.stdout + done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_what_is_reused_stays_in_memory_as_numbers(tmp_path: Path) -> None:
    """The windows that are kept are found by a hash: no text and no ids of a note are kept with them."""
    model = Recognizer.load(
        bundles.bundle(tmp_path / "bundle", tokenizer()), threads=1, options=LoadOptions(reuse=4)
    )
    model.recognize(NOTE)
    cache = model._runner.model.cache
    assert cache is not None
    assert all(len(key) == 16 and value.dtype == np.float32 for key, value in cache._kept.items())
