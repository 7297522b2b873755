"""Show spans: a table for people, JSONL for programs. A note that failed is shown in its place."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from clinspan.extract.notes import Note
from clinspan.interop.colours import on_terminal
from clinspan.text.decode import Span
from clinspan.textfiles import printable

_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

# What every line of `as_jsonl` and `failure_as_jsonl` begins with.
LINE_BEGIN = b'{"id": '


def as_jsonl(note: Note, spans: Sequence[Span]) -> str:
    """Write one JSON object: the note's id and its spans."""
    return json_line({"id": note.id, "spans": [span_row(span) for span in spans]})


def span_row(span: Span) -> dict[str, Any]:
    """Make the JSON object of a span; offsets are characters, end exclusive."""
    return {
        "label": span.label,
        "start": span.start,
        "end": span.end,
        "text": span.text,
        "score": round(span.score, 6),
    }


def failure_as_jsonl(name: str, reason: str) -> str:
    """Write one JSON object: the id of a note without a result, and the reason."""
    return json_line({"id": name, "error": reason})


def json_line(row: dict[str, Any]) -> str:
    """Write a JSON object on one line."""
    # A lone surrogate in a note cannot be written as UTF-8, only as a JSON escape.
    line = json.dumps(row, ensure_ascii=False)
    # A terminal obeys these, and JSON may write them as escapes too.
    line = _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(row)
    return line


def as_table(
    note: Note,
    spans: Sequence[Span],
    *,
    remarks: Sequence[str] = (),
    below: Sequence[str] = (),
    grouped: bool = False,
    colours: bool = False,
) -> str:
    """Write a heading and an aligned row per span: offsets, label, score, text on one line.

    Args:
        note: that was read.
        spans: its spans.
        remarks: what stands behind each row, one for each span; none by default.
        below: what stands below them, a line each.
        grouped: whether rows of one label stand together, and not in note order.
        colours: whether labels have their colours, for a terminal.
    """
    lines = [f"# {_one_line(note.id)}: {len(spans)} entities in {len(note.text):,} characters"]
    width = max((len(_one_line(span.label)) for span in spans), default=0)
    rows = list(zip(spans, remarks or [""] * len(spans), strict=True))
    for span, remark in sorted(rows, key=lambda row: row[0].label) if grouped else rows:
        label = _one_line(span.label)
        padding = " " * (width - len(label))
        label = on_terminal(label, span.label) if colours else label
        lines.append(
            f"{span.start:>7} {span.end:>7}  {label}{padding}  {span.score:.3f}  {_one_line(span.text)}"
            + (f"  [{remark}]" if remark else "")
        )
    lines += [f"  regimen  {line}" for line in below]
    return "\n".join(lines)


def failure_as_table(name: str, reason: str) -> str:
    """Write a heading that says that a note failed, and why."""
    return f"# {_one_line(name)}: failed: {_one_line(reason)}"


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
