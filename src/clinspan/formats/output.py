"""Spans to show: a table for people, JSONL for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from clinspan.decode import Span
from clinspan.formats.notes import Note

FORMATS = ("table", "jsonl")


def as_jsonl(note: Note, spans: Sequence[Span]) -> str:
    """One JSON object: the note's id and its spans. Offsets are characters, end exclusive."""
    rows = [
        {"label": s.label, "start": s.start, "end": s.end, "text": s.text, "score": round(s.score, 6)}
        for s in spans
    ]
    # A lone surrogate in a note cannot be written as UTF-8, only as a JSON escape.
    try:
        line = json.dumps({"id": note.id, "spans": rows}, ensure_ascii=False)
        line.encode("utf-8")
    except UnicodeEncodeError:
        line = json.dumps({"id": note.id, "spans": rows})
    return line


def as_table(note: Note, spans: Sequence[Span]) -> str:
    """A heading and an aligned row per span: offsets, label, score, text on one line."""
    lines = [f"# {note.id}: {len(spans)} entities in {len(note.text):,} characters"]
    width = max((len(span.label) for span in spans), default=0)
    for span in spans:
        text = " ".join(span.text.split()).encode("utf-8", "replace").decode("utf-8")
        lines.append(f"{span.start:>7} {span.end:>7}  {span.label:<{width}}  {span.score:.3f}  {text}")
    return "\n".join(lines)
