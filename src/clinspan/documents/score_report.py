"""Show an evaluation: a table for people, JSON for programs, a page with the errors in their text."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from clinspan.documents.document import Document, Entity
from clinspan.documents.scores import MATCHES, Evaluation, Score, counted, same


def as_json(evaluation: Evaluation, about: Mapping[str, Any]) -> str:
    """Write the evaluation and what it is about as one JSON object; an interval that was not computed is null."""
    row = {**about, **asdict(evaluation)}
    return json.dumps(_finite(row), indent=2)


def _finite(value: Any) -> Any:
    """Replace NaN, which JSON lacks, by None."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_finite(item) for item in value]
        return None if items and all(item is None for item in items) else items
    return None if isinstance(value, float) and math.isnan(value) else value


def as_table(evaluation: Evaluation) -> str:
    """Write aligned rows: each label, then all together, exact and lenient side by side."""
    width = max([len(label) for label in evaluation.labels] + [len("micro")])
    head = f"{'':<{width}}  {'exact P':>7} {'R':>5} {'F1':>5} {'interval':>13}  "
    lines = [head + f"{'lenient P':>9} {'R':>5} {'F1':>5} {'interval':>13} {'annotated':>10}"]
    for name, pair in _rows(evaluation):
        exact, lenient = (_cells(pair[match]) for match in MATCHES)
        lines.append(
            f"{name:<{width}}  {exact[0]:>7} {exact[1]:>5} {exact[2]:>5} {exact[3]:>13}  "
            f"{lenient[0]:>9} {lenient[1]:>5} {lenient[2]:>5} {lenient[3]:>13} {pair['exact'].annotated:>10,}"
        )
    macro = ", ".join(f"{match} {evaluation.macro_f1[match]:.3f}" for match in MATCHES)
    lines.append(f"macro F1: {macro}; {evaluation.documents:,} documents")
    if evaluation.unscored:
        shown = ", ".join(f"{label} {count:,}" for label, count in evaluation.unscored.items())
        lines.append(f"not scored, since nobody annotated them: {shown}")
    # A label from a JSON escape may hold half a surrogate pair, which neither a terminal nor a file takes.
    return "\n".join(lines).encode("utf-8", "replace").decode("utf-8")


def _rows(evaluation: Evaluation) -> Iterator[tuple[str, Mapping[str, Score]]]:
    for label in evaluation.labels:
        yield label, {match: evaluation.by_label[match][label] for match in MATCHES}
    yield "micro", evaluation.micro


def _cells(score: Score) -> tuple[str, str, str, str]:
    low, high = score.interval
    interval = "" if math.isnan(low) else f"{low:.3f}-{high:.3f}"
    return f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", interval


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>clinspan evaluation</title>
<style>
body {{ font: 15px/1.7 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222 }}
pre.scores {{ overflow-x: auto; background: #f6f6f6; padding: 1em; line-height: 1.4 }}
section {{ border-top: 1px solid #ccc; padding: .5em 0; white-space: pre-wrap; overflow-wrap: anywhere }}
h2 {{ font-size: 1em; margin: 0 }}
mark {{ padding: .1em .2em; border-radius: .2em; background: #d7f0d7 }}
mark.missed {{ background: #ffe2b3; border-bottom: 2px dashed #a86500 }}
mark.alarm {{ background: #ffd0d0; border-bottom: 2px solid #b00000 }}
mark small {{ font-weight: 600; margin-left: .3em }}
</style>
<h1>{title}</h1>
<pre class="scores">{table}</pre>
<p><mark>found as annotated</mark> <mark class="missed">annotated, not found<small>missed</small></mark>
<mark class="alarm">found, not annotated<small>false alarm</small></mark>. Where both meet, the annotation stands first.
{shown:,} of {total:,} documents have errors; the others are left out.</p>
{sections}
</html>
"""


def as_html(
    evaluation: Evaluation, gold: Sequence[Document], found: Sequence[Sequence[Entity]], *, title: str
) -> str:
    """Write a page with the scores and every document that has an error, with hits and errors marked in its text.

    The page holds the documents' text: keep it where the documents may be kept.
    """
    sections = []
    for document, entities in zip(gold, found, strict=True):
        marks = _marks(document, entities, evaluation.labels)
        if any(kind != "hit" for _, kind in marks):
            body = _marked(document.text, marks)
            sections.append(f"<section><h2>{html.escape(document.id)}</h2>{body}</section>")
    return _PAGE.format(
        title=html.escape(title),
        table=html.escape(as_table(evaluation)),
        shown=len(sections),
        total=len(gold),
        sections="\n".join(sections),
    )


def _marks(document: Document, found: Sequence[Entity], labels: Sequence[str]) -> list[tuple[Entity, str]]:
    marks: list[tuple[Entity, str]] = []
    for label in labels:
        left, right = counted(document, document.entities, label), counted(document, found, label)
        hits = {pair[0] for pair in same(left, right)}
        marks += [(entity, "hit" if entity in hits else "missed") for entity in left]
        marks += [(entity, "alarm") for entity in right if entity not in hits]
    return sorted(marks, key=lambda mark: (mark[0].start, mark[1] == "alarm"))


def _marked(text: str, marks: Sequence[tuple[Entity, str]]) -> str:
    """Write the text with its marks; one that begins inside another follows it and repeats its words."""
    parts, position = [], 0
    for entity, kind in marks:
        parts.append(html.escape(text[position : entity.start]))
        note = {"hit": "", "missed": " missed", "alarm": " false alarm"}[kind]
        words = html.escape(text[entity.start : entity.end])
        parts.append(f'<mark class="{kind}">{words}<small>{html.escape(entity.label)}{note}</small></mark>')
        position = max(position, entity.end)
    return "".join(parts) + html.escape(text[position:])
