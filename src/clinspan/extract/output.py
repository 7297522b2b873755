"""Spans to show: a table for people, JSONL for programs. What failed is shown in its place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from clinspan.extract.notes import Note
from clinspan.text.decode import Span

FORMATS = ("table", "jsonl")

# What every line of `as_jsonl` and `failure_as_jsonl` begins with.
LINE_BEGIN = b'{"id": '


def as_jsonl(note: Note, spans: Sequence[Span]) -> str:
    """One JSON object: the note's id and its spans. Offsets are characters, end exclusive."""
    rows = [
        {"label": s.label, "start": s.start, "end": s.end, "text": s.text, "score": round(s.score, 6)}
        for s in spans
    ]
    return _line({"id": note.id, "spans": rows})


def failure_as_jsonl(name: str, reason: str) -> str:
    """One JSON object: the id of a note without a result, and why it has none."""
    return _line({"id": name, "error": reason})


def _line(row: dict[str, Any]) -> str:
    # A lone surrogate in a note cannot be written as UTF-8, only as a JSON escape.
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(row)
    return line


def as_table(note: Note, spans: Sequence[Span]) -> str:
    """A heading and an aligned row per span: offsets, label, score, text on one line."""
    lines = [f"# {_one_line(note.id)}: {len(spans)} entities in {len(note.text):,} characters"]
    width = max((len(span.label) for span in spans), default=0)
    for span in spans:
        text = _one_line(span.text)
        lines.append(f"{span.start:>7} {span.end:>7}  {span.label:<{width}}  {span.score:.3f}  {text}")
    return "\n".join(lines)


def failure_as_table(name: str, reason: str) -> str:
    """A heading that says that and why a note has no result."""
    return f"# {_one_line(name)}: failed: {_one_line(reason)}"


def _one_line(text: str) -> str:
    return " ".join(text.split()).encode("utf-8", "replace").decode("utf-8")
