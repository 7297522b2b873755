"""A page that shows the errors of an evaluation in their text, with filters, after a summary.

The page holds the documents' text: keep it where the documents may be kept. It loads nothing from anywhere.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from clinspan.documents.document import Document, Entity
from clinspan.documents.error_analysis.details import NOTHING, Details
from clinspan.documents.error_analysis.mistakes import ALARM, ERRORS, HIT, MISSED, Pair
from clinspan.documents.error_analysis.page_parts import PAGE, box, table
from clinspan.documents.error_analysis.thresholds import SHOWN
from clinspan.documents.score_report import drawn, score_cells, score_rows
from clinspan.documents.scores import MATCHES, Evaluation

# Errors with the same words that the page lists.
_FREQUENT = 20


def as_html(evaluation: Evaluation, details: Details, gold: Sequence[Document], *, title: str) -> str:
    """Make the page: scores, kinds of errors, confusions, thresholds, and each document that has an error in it.

    Args:
        evaluation: the scores.
        details: the pairs behind them, of the same documents.
        gold: the annotated documents.
        title: the page's heading.
    """
    sections = []
    for document, paired in zip(gold, details.paired, strict=True):
        errors = sum(pair.kind != HIT for pair in paired)
        if errors:
            count = f"{errors} error{'' if errors == 1 else 's'}"
            heading = f"<h2>{html.escape(document.id)} <small>{count}</small></h2>"
            sections.append(
                f'<section>{heading}<div class="text">{_marked(document.text, paired)}</div></section>'
            )
    kinds = [kind for kind in ERRORS if any(kind in row for row in details.errors.values())]
    return PAGE.format(
        title=html.escape(title),
        summary=html.escape(_summary(evaluation, len(sections))),
        tables="\n".join(_tables(evaluation, details, gold)),
        kinds=" ".join(box("kind", kind) for kind in kinds),
        labels=" ".join(box("label", label) for label in details.errors),
        sections="\n".join(sections),
    )


def _summary(evaluation: Evaluation, wrong: int) -> str:
    exact, lenient = (evaluation.micro[match] for match in MATCHES)
    cells = score_cells(exact)
    interval = f" (95 % interval {cells[3]})" if cells[3] else ""
    return (
        f"{drawn(evaluation)}, {exact.annotated:,} annotations, {exact.found:,} found. Exact F1 {cells[2]}{interval}, "
        f"lenient F1 {lenient.f1:.3f}. {wrong:,} of {evaluation.documents:,} documents have errors and are shown below."
    )


def _tables(evaluation: Evaluation, details: Details, gold: Sequence[Document]) -> Iterator[str]:
    head = ["label", "exact P", "R", "F1", "95 %", "lenient P", "R", "F1", "95 %", "annotated"]
    rows = [
        [name, *score_cells(pair["exact"]), *score_cells(pair["lenient"]), f"{pair['exact'].annotated:,}"]
        for name, pair in score_rows(evaluation)
    ]
    yield table("Scores", head, rows)
    rows = [[label, *(f"{row.get(kind, 0):,}" for kind in ERRORS)] for label, row in details.errors.items()]
    if rows:
        yield table("Kinds of errors", ["label", *ERRORS], rows)
    frequent = _frequent(details, gold)
    if frequent:
        yield table("The most frequent errors", ["error", "label", "words", "times"], frequent)
    yield _confusion(details)
    rows = [
        [
            label,
            *(f"{row.precision:.2f} / {row.recall:.2f}" for row in one.table),
            f"{one.best.threshold:g}",
            f"{one.best.f1:.3f}",
        ]
        for label, one in details.thresholds.items()
    ]
    yield table(
        "Precision / recall of what scores at least this much",
        ["label", *(f"{step:g}" for step in SHOWN), "best", "F1 there"],
        rows,
        "The best thresholds were chosen on these documents; confirm them on others.",
    )


def _confusion(details: Details) -> str:
    found: set[str] = set()
    for row in details.confusion.values():
        found.update(row)
    columns = sorted(found, key=lambda label: (not label, label))
    rows = []
    for label in sorted(details.confusion, key=lambda label: (not label, label)):
        counts = (details.confusion[label].get(other, 0) for other in columns)
        rows.append([label or NOTHING, *(f"{count:,}" if count else "" for count in counts)])
    heads = ["annotated \\ found", *(label or NOTHING for label in columns)]
    return table("Annotated as, found as", heads, rows)


def _frequent(details: Details, gold: Sequence[Document]) -> list[list[str]]:
    """Errors that were made more than once with the same words."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for document, paired in zip(gold, details.paired, strict=True):
        for pair in paired:
            if pair.kind != HIT:
                counts[pair.kind, _labels(pair), _words(document.text, pair)] += 1
    return [[*error, f"{count:,}"] for error, count in counts.most_common(_FREQUENT) if count > 1]


def _labels(pair: Pair) -> str:
    if pair.annotated is None or pair.found is None or pair.annotated.label == pair.found.label:
        return pair.label
    return f"{pair.annotated.label} found as {pair.found.label}"


def _words(text: str, pair: Pair) -> str:
    parts = [
        " ".join(text[entity.start : entity.end].split()).casefold()
        for entity in (pair.annotated, pair.found)
        if entity is not None
    ]
    return " → ".join(dict.fromkeys(parts))


def _marked(text: str, paired: Sequence[Pair]) -> str:
    """The text with its pairs marked; those that share characters are one mark, so that no word stands twice."""
    parts, position = list[str](), 0
    for start, end, group in _groups(paired):
        parts.append(html.escape(text[position:start]))
        parts.append(_mark(text, start, end, group))
        position = end
    return "".join(parts) + html.escape(text[position:])


def _groups(paired: Sequence[Pair]) -> Iterator[tuple[int, int, list[Pair]]]:
    """Pairs that share characters, with the stretch that they cover together."""
    group, start, end = list[Pair](), 0, 0
    for pair in sorted(paired, key=_stretch):
        first, last = _stretch(pair)
        if group and first < end:
            group.append(pair)
            end = max(end, last)
            continue
        if group:
            yield start, end, group
        group, start, end = [pair], first, last
    if group:
        yield start, end, group


def _stretch(pair: Pair) -> tuple[int, int]:
    places = [entity for entity in (pair.annotated, pair.found) if entity is not None]
    return min(entity.start for entity in places), max(entity.end for entity in places)


def _mark(text: str, start: int, end: int, group: Sequence[Pair]) -> str:
    if all(pair.kind == HIT for pair in group):
        return f'<mark class="hit">{html.escape(text[start:end])}<small>{html.escape(group[0].label)}</small></mark>'
    annotated = [pair.annotated for pair in group if pair.annotated is not None]
    found = [pair.found for pair in group if pair.found is not None]
    edges = {start, end}
    for entity in [*annotated, *found]:
        edges |= {entity.start, entity.end}
    ordered = sorted(edges)
    pieces = []
    for left, right in pairwise(ordered):
        kind = ("a" if _covered(left, annotated) else "") + ("f" if _covered(left, found) else "")
        pieces.append(f'<span class="{kind}">{html.escape(text[left:right])}</span>')
    return f'<mark class="error">{"".join(pieces)}{"".join(map(_caption, group))}</mark>'


def _covered(at: int, entities: Sequence[Entity]) -> bool:
    return any(entity.start <= at < entity.end for entity in entities)


def _caption(pair: Pair) -> str:
    score = "" if pair.score is None else f" {pair.score:.2f}"
    label = html.escape(pair.label)
    if pair.kind == HIT:
        return f"<small>{label}</small>"
    said = f"{_labels(pair)} {pair.kind}" if pair.kind in (MISSED, ALARM) else f"{_labels(pair)}, {pair.kind}"
    return (
        f'<small class="{pair.kind.replace(" ", "-")}" data-kind="{pair.kind}" data-label="{label}">'
        f"{html.escape(said)}{score}</small>"
    )
