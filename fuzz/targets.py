"""Targets of the fuzzer: each takes bytes, and raises if a promise is broken.

Only `ClinspanError` may leave a public call or a reader; what a call gives back is checked.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from clinspan import ClinspanError, LoadOptions, MissingDependencyError, Recognizer, Span
from clinspan.bundle.manifest import open_bundle
from clinspan.documents import annotated
from clinspan.documents import score_report as scores_out
from clinspan.documents.document import Document, Entity
from clinspan.documents.error_analysis import error_page
from clinspan.documents.error_analysis.details import details_table, look_closer
from clinspan.documents.formats import automl, brat, conll
from clinspan.documents.formats import jsonl as own
from clinspan.documents.formats.pdf import read_pdf
from clinspan.documents.scores import evaluate
from clinspan.engine.profile import read_profile
from clinspan.extract import output as spans_out
from clinspan.extract.notes import read_notes
from clinspan.serving import RequestLimits, Service, make_handler
from clinspan.serving.aws_events import UnattendedEventError
from clinspan.serving.request import parse_json, parse_request
from clinspan.text import tokenizer
from clinspan.text.decode import AGGREGATIONS
from clinspan.text.encoding import NO_WORD, Encoding
from clinspan.text.graphemes import is_control
from clinspan.text.windows import plan
from fuzz import gold as gold_data
from fuzz import models
from fuzz.data import Data, dump

Target = Callable[[Data], None]
LIMITS = RequestLimits(max_characters=20_000, max_notes=8)


@contextmanager
def only_own_errors() -> Iterator[None]:
    """Whatever is wrong with an input, it is said with an error of clinspan's own."""
    try:
        yield
    except MissingDependencyError:
        raise  # nothing was tested
    except ClinspanError as error:
        check(bool(str(error)), "an error says what is wrong")


def check(promise: bool, what: str) -> None:
    """Raise AssertionError, also where Python runs without asserts."""
    if not promise:
        raise AssertionError(what)


def check_spans(note: str, found: Sequence[Span]) -> None:
    """Exact, sorted, not overlapping, no whitespace at the ends, no base character parted from its marks."""
    previous = 0
    for span in found:
        check(note[span.start : span.end] == span.text, "text is the note's own")
        check(previous <= span.start < span.end <= len(note), "sorted, not empty, not overlapping")
        check(not span.text[0].isspace() and not span.text[-1].isspace(), "no whitespace at the ends")
        check(0 < span.score <= 1, "a score is a probability")
        check(not parts_a_character(note, span.start), "begins between a base character and its mark")
        check(not parts_a_character(note, span.end), "ends between a base character and its mark")
        previous = span.end


def parts_a_character(note: str, edge: int) -> bool:
    """Whether an edge lies between a base character and its mark; whitespace and controls are not base characters."""
    if not 0 < edge < len(note) or note[edge - 1].isspace() or is_control(note[edge - 1]):
        return False
    return unicodedata.category(note[edge]).startswith("M")


def check_encoding(note: str, encoding: Encoding) -> None:
    """Offsets inside the note, in order; words numbered through; all plain text in some token."""
    starts, ends = encoding.offsets[:, 0], encoding.offsets[:, 1]
    check(
        bool((starts >= 0).all() and (starts <= ends).all() and (ends <= len(note)).all()), "inside the note"
    )
    check(bool((np.diff(starts) >= 0).all()), "starts never go back")
    words = encoding.word_ids[encoding.word_ids != NO_WORD]
    check(bool((np.diff(words) >= 0).all()), "words never go back")
    covered = np.zeros(len(note) + 1, bool)
    for start, end in encoding.offsets.tolist():
        covered[start:end] = True
    plain = [i for i, char in enumerate(note) if char.isascii() and char.isalnum()]
    check(bool(covered[plain].all()), "letters and digits are in some token")


def check_windows(encoding: Encoding, window: int, overlap: int, *, sections: bool = False) -> None:
    """Every token is owned by exactly one window, and read by it."""
    at = 0
    for part in plan(encoding.cuts, window=window, overlap=overlap, sections=sections):
        check(part.own_start == at < part.own_stop, "owned ranges partition the tokens")
        check(part.start <= part.own_start and part.own_stop <= part.stop, "what is owned is read")
        check(part.stop - part.start <= window, "no window is too long")
        at = part.own_stop
    check(at == len(encoding), "the last token is owned")


def recognize(data: Data) -> None:
    """One note through the whole path, and again through `pipe`: the same spans."""
    family, narrow = data.choice(tuple(models.FAMILIES)), data.byte() % 4 == 0
    window, overlap = data.choice(models.NARROW_WINDOWS if narrow else models.WINDOWS)
    recognizer = models.recognizer(family, window, overlap, reuse=4 * (data.byte() % 8 == 0))
    vote, threshold = data.choice(AGGREGATIONS), data.choice((0.0, 0.0, 0.9))
    note = data.text(4 if narrow else 20)
    found = recognizer.recognize(note, aggregation=vote, threshold=threshold)
    check_spans(note, found)
    if data.byte() % 4 == 0:
        again = list(recognizer.pipe([note, ""], aggregation=vote, threshold=threshold))
        check(again == [found, []], "the same note gives the same spans in company")
        check(
            len(recognizer.token_logits(note)) == len(recognizer._tokenizer.encode(note)),
            "a row for each token",
        )


def options(data: Data) -> None:
    """Values of any type in place of notes and options."""
    recognizer = models.recognizer("wordpiece")
    note = data.object() if data.byte() % 3 == 0 else data.text(6)
    chosen = {name: data.object() for name in ("threshold", "aggregation", "timeout") if data.byte() % 2}
    with only_own_errors():
        check_spans(note, recognizer.recognize(note, **chosen))
    with only_own_errors():
        list(recognizer.pipe(note if data.byte() % 2 else [note], **chosen))
    with only_own_errors():
        recognizer.token_logits(note)


def load(data: Data) -> None:
    """Values of any type in place of the options of `Recognizer.load`."""
    names = ("device", "precision", "threads", "window", "overlap", "session_options", "reuse")
    chosen = {name: data.object() for name in names if data.byte() % 6 == 0}
    if _harmful(chosen):
        return
    with only_own_errors():
        Recognizer.load(models.bundle("wordpiece"), options=LoadOptions(**chosen))


def _harmful(chosen: Mapping[str, Any]) -> bool:
    """Thousands of threads are what was asked for, and no mistake that could be told."""
    numbers = (chosen.get("threads"), *_values(chosen.get("session_options")))
    return any(isinstance(number, int | float) and number > 64 for number in numbers)


def _values(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else ()


def encode(data: Data) -> None:
    """A text as tokens, whole and in pieces."""
    reader = models.recognizer(data.choice(tuple(models.FAMILIES)))._tokenizer
    window = 1 + data.byte() % 20
    overlap, sections = data.below(window), bool(data.byte() % 2)
    note = data.text(20)
    size = 1 + len(note) // (2 + data.byte() % 6)
    whole = reader.encode(note)
    check_encoding(note, whole)
    check_windows(whole, window, overlap, sections=sections)
    piece, tokenizer._PIECE = tokenizer._PIECE, size
    try:
        pieces = reader.encode(note)
    finally:
        tokenizer._PIECE = piece
    for name in ("ids", "offsets", "word_ids", "cuts"):
        same = np.array_equal(getattr(pieces, name), getattr(whole, name))
        check(same, f"{name} are those of the whole")


def jsonl(data: Data) -> None:
    """JSONL in this project's own form."""
    _read(own.read, _rows(data, _own_row), "documents.jsonl")


def automl_jsonl(data: Data) -> None:
    """AutoML's JSONL."""
    _read(automl.read, _rows(data, _automl_row), "automl.jsonl")


def any_annotated(data: Data) -> None:
    """A file whose name and first line show its format."""
    path = _write(
        _rows(data, data.choice((_own_row, _automl_row))), "any." + data.choice(("jsonl", "json", "tsv", "x"))
    )
    with only_own_errors():
        check_documents(annotated.read_annotated(path))


def conll_file(data: Data) -> None:
    """CoNLL columns."""
    lines = []
    while data:
        kind = data.byte()
        if kind < 160:
            lines.append(
                f"{data.text(3)}\t{data.choice(('O', 'B-DRUG', 'I-DRUG', 'L-X', 'S-', '-DOCSTART-'))}"
            )
        else:
            lines.append("" if kind < 200 else "-DOCSTART- O" if kind < 220 else data.text(6))
    _read(conll.read, "\n".join(lines).encode("utf-8", "surrogatepass"), "columns.conll")


def brat_folder(data: Data) -> None:
    """A text and its standoff annotations."""
    text = data.text(40)
    lines: list[str] = []
    while data:
        start, end = data.below(40), data.below(60)
        quoted = " ".join(text[start:end].splitlines()) if data.byte() < 200 else data.text(4)
        lines.append(f"T{len(lines)}\tDRUG {start} {end}\t{quoted}" if data.byte() < 220 else data.text(8))
    folder = models.scratch() / "brat"
    folder.mkdir(exist_ok=True)
    (folder / "note.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    (folder / "note.ann").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    with only_own_errors():
        check_documents(brat.read(folder))


def _any_gold(data: Data, make: Callable[[Data], bytes], name: str) -> None:
    rules = gold_data.rules(data)
    path = _write(make(data), name)
    with only_own_errors():
        check_documents(annotated.read_annotated(path, rules=rules))


def gold_rows(data: Data) -> None:
    """JSON of other tools, under any rules of reading."""
    _any_gold(data, gold_data.rows, data.choice(("gold.jsonl", "gold.json", "gold.txt")))


def gold_columns(data: Data) -> None:
    """CoNLL columns of every kind, under any rules of reading."""
    _any_gold(data, gold_data.columns, "gold.conll")


def pubtator_file(data: Data) -> None:
    """PubTator, under any rules of reading."""
    _any_gold(data, gold_data.pubtator, "gold.pubtator")


def bioc_file(data: Data) -> None:
    """BioC XML, under any rules of reading."""
    _any_gold(data, gold_data.bioc, "gold.xml")


def notes(data: Data) -> None:
    """Notes from text and JSONL, and their spans in every output, as a UTF-8 file takes them."""
    text = data.byte() % 4 == 0
    content = data.text().encode("utf-8", "surrogatepass") if text else _rows(data, _note_row)
    path = _write(content, "note.txt" if text else "notes.jsonl")
    with only_own_errors():
        for note in read_notes([str(path)]):
            check(isinstance(note.id, str) and isinstance(note.text, str), "a note is text with a name")
            found = [Span("DRUG", 0, len(note.text), note.text, 0.5)] if note.text else []
            spans_out.as_table(note, found).encode("utf-8")
            line = spans_out.as_jsonl(note, found)
            line.encode("utf-8")
            check("\n" not in line and json.loads(line)["id"] == note.id, "a line of JSON")


def scores(data: Data) -> None:
    """Scores of any annotations, in every output."""
    labels = ("DRUG", "PROBLEM", data.text(2) or "X")
    gold, found = [], []
    for number in range(data.below(5)):
        text = data.text(20)
        gold.append(Document(str(number), text, tuple(_entities(data, text, labels))))
        found.append(_entities(data, text, labels))
    asked = data.json(2) if data.byte() % 4 == 0 else None
    with only_own_errors():
        scored = evaluate(
            gold,
            found,
            labels=asked if isinstance(asked, list) and all(isinstance(x, str) for x in asked) else None,
            resamples=data.below(20),
            seed=data.below(300) - 2,
        )
        json.loads(scores_out.as_json(scored, {"gold": "x"}))
        scores_out.as_table(scored).encode("utf-8")
        details = look_closer(gold, found, [[0.5] * len(those) for those in found], scored.labels)
        details_table(details)
        error_page.as_html(scored, details, gold, title="x").encode("utf-8", "replace")
        for pair in scored.micro.values():
            check(0 <= pair.f1 <= 1 and math.isfinite(pair.f1), "F1 is a share")


def profile(data: Data) -> None:
    """A profile of `clinspan bench --save`."""
    raw = data.rest() if data.byte() % 4 == 0 else dump(data.json(3, ("threads", "session_options")))
    path = _write(raw, "profile.json")
    with only_own_errors():
        saved = read_profile(path)
        check(isinstance(saved.get("session_options", {}), dict), "options are an object")
        check(isinstance(saved.get("threads"), int | None), "threads are a number")


def manifest(data: Data) -> None:
    """A bundle's clinspan.json, and config.json of a folder without one."""
    folder = models.scratch() / "manifest"
    folder.mkdir(exist_ok=True)
    config = data.byte() % 4 == 0
    good = json.loads(
        (models.bundle("wordpiece") / ("config.json" if config else "clinspan.json")).read_text()
    )
    if data.byte() % 8:
        good.pop("sha256", None)  # its own hash, which nothing that was changed would get past
    for _ in range(1 + data.below(3)):
        place = good
        while isinstance(place, dict) and place:
            key = data.choice(sorted(place))
            if not isinstance(place[key], dict) or data.byte() % 2:
                place[key] = data.json(3)
                break
            place = place[key]
    raw = data.rest() if data.byte() % 16 == 0 else dump(good)
    (folder / "clinspan.json").unlink(missing_ok=True)
    (folder / "config.json").write_bytes(raw if config else b"{}")
    (folder / "tokenizer.json").write_bytes(b"{}")
    if not config:
        (folder / "clinspan.json").write_bytes(raw)
    with only_own_errors():
        bundle = open_bundle(folder)
        for record in (bundle.tokenizer, *bundle.models.values()):
            bundle.file(record)


def request(data: Data) -> None:
    """The body of a request."""
    limits = LIMITS
    if data.byte() % 3 == 0:
        with only_own_errors():
            parse_request(parse_json(data.rest(), limits), limits)
        return
    value = _request(data)
    with only_own_errors():
        parse_request(value, limits)
    with only_own_errors():
        parse_request(parse_json(dump(value, ascii=bool(data.byte() % 2)), limits), limits)


def handler(data: Data) -> None:
    """Events of every kind, and of none: always an answer that JSON can say."""
    kind = data.byte() % 4
    event: Any = _request(data) if kind == 0 else data.json()
    if kind == 2:
        event = {
            "requestContext": data.json(3),
            "body": data.choice((data.text(4), dump(_request(data)).decode())),
        }
        event |= {name: data.json(1) for name in ("isBase64Encoded", "httpMethod") if data.byte() % 3 == 0}
    if kind == 3:
        event = {"Records": [{"messageId": data.json(1), "body": data.json(2)} for _ in range(data.below(4))]}
    try:
        answer = _handler()(event, None)
    except UnattendedEventError:
        return  # nobody waits for an answer
    check(isinstance(answer.get("statusCode", 200), int), "an answer has a status")
    json.dumps(answer, allow_nan=False).encode("utf-8")


def pdf(data: Data) -> None:
    """A document in a PDF."""
    path = _write(data.rest(), "document.pdf")
    with only_own_errors():
        check(isinstance(read_pdf(path), str), "a PDF is text")


@cache
def _handler() -> Callable[[Any, Any], dict[str, Any]]:
    service = Service(models.recognizer("wordpiece"), LIMITS)
    return make_handler(service, sink=lambda *_: None)


def _write(raw: bytes, name: str) -> Path:
    path = models.scratch() / name
    path.write_bytes(raw)
    return path


def _read(read: Callable[[Path], Iterable[Document]], raw: bytes, name: str) -> None:
    path = _write(raw, name)
    with only_own_errors():
        check_documents(read(path))


def check_documents(documents: Iterable[Document]) -> None:
    """Text, and entities inside it that do not overlap."""
    for document in documents:
        check(
            isinstance(document.id, str) and isinstance(document.text, str), "a document is text with a name"
        )
        end = 0
        for entity in document.entities:
            check(
                end <= entity.start < entity.end <= len(document.text), "entities lie in the text, in order"
            )
            end = entity.end


def _rows(data: Data, row: Callable[[Data], Any]) -> bytes:
    """Lines of JSON, some of them broken."""
    lines: list[bytes] = []
    while data and len(lines) < 8:
        kind = data.byte()
        if kind < 200:
            lines.append(dump(row(data), ascii=bool(kind % 2)))
        elif kind < 230:
            lines.append(dump(data.json()))
        elif kind < 245:
            lines.append(data.take(data.byte()))
        else:
            lines.append(b"[" * 200_000 if kind > 253 else b"")
    return b"\n".join(lines)


def _own_row(data: Data) -> Any:
    text = data.text(12)
    rows = [
        _or_any(data, {"start": _offset(data), "end": _offset(data), "label": "DRUG"})
        for _ in range(data.below(4))
    ]
    row = {"text": _or_any(data, text), "entities": _or_any(data, rows)}
    return row | {name: data.json(2) for name in ("id", "labels") if data.byte() % 3 == 0}


def _automl_row(data: Data) -> Any:
    rows = []
    for _ in range(data.below(4)):
        segment = _or_any(data, {"start_offset": _offset(data), "endOffset": _offset(data)})
        extraction = _or_any(data, {"text_segment": segment})
        rows.append(_or_any(data, {"text_extraction": extraction, "display_name": _or_any(data, "DRUG")}))
    row = {
        "textSnippet": _or_any(data, {"content": _or_any(data, data.text(12))}),
        "annotations": _or_any(data, rows),
    }
    if data.byte() % 16 == 0:
        source = {"input_uris": _or_any(data, [data.text(3)])}
        row = {"document": {"input_config": {"gcs_source": source}}}
    return row


def _note_row(data: Data) -> Any:
    return {"text": _or_any(data, data.text(12))} | ({"id": data.json(2)} if data.byte() % 2 else {})


def _request(data: Data) -> Any:
    rows = [
        _or_any(data, {"id": data.json(1), "text": _or_any(data, data.text(8))}) for _ in range(data.below(4))
    ]
    row = {"text": _or_any(data, data.text(12))} if data.byte() % 2 else {"notes": _or_any(data, rows)}
    row |= {name: data.json(2) for name in ("threshold", "aggregation", "timeout") if data.byte() % 4 == 0}
    return _or_any(data, row)


def _or_any(data: Data, value: Any) -> Any:
    return value if data.byte() < 235 else data.json(3)


def _offset(data: Data) -> Any:
    kind = data.byte()
    return (
        kind % 24
        if kind < 180
        else str(kind % 24)
        if kind < 210
        else "9" * 5000
        if kind < 213
        else data.json(1)
    )


def _entities(data: Data, text: str, labels: Sequence[str]) -> list[Entity]:
    rows: list[Entity] = []
    at = 0
    while at < len(text) and len(rows) < 4:
        start = at + data.below(4)
        at = start + 1 + data.below(6)
        if at <= len(text):
            rows.append(Entity(start, at, data.choice(labels)))
    return rows


TARGETS: dict[str, Target] = {
    "recognize": recognize,
    "options": options,
    "load": load,
    "tokenizer": encode,
    "jsonl": jsonl,
    "automl": automl_jsonl,
    "annotated": any_annotated,
    "conll": conll_file,
    "brat": brat_folder,
    "rows": gold_rows,
    "columns": gold_columns,
    "pubtator": pubtator_file,
    "bioc": bioc_file,
    "notes": notes,
    "scores": scores,
    "profile": profile,
    "manifest": manifest,
    "request": request,
    "handler": handler,
    "pdf": pdf,
}
