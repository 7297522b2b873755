"""Show the scores of a classifier: a table for people, JSON for programs, a page with confusions and how far to trust a score."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from clinspan.documents.label_scores.measures import Bin, Labelling

_SIZE = 240
_FIGURES = (
    ("accuracy", "accuracy"),
    ("micro_f1", "micro F1"),
    ("macro_f1", "macro F1"),
    ("macro_auroc", "mean AUROC"),
    ("macro_average_precision", "mean average precision"),
    ("calibration_error", "calibration error"),
)
_HEAD = ("", "P", "R", "F1", "AUROC", "AP", "annotated", "chosen")
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.6 system-ui, sans-serif; max-width: 64em; margin: 2em auto; padding: 0 1em; color: #222 }}
h1 {{ font-size: 1.4em; overflow-wrap: anywhere }} h2 {{ font-size: 1.1em }} .scroll {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-size: .9em }}
th, td {{ padding: .25em .6em; text-align: right; border-bottom: 1px solid #ddd }}
th:first-child, td:first-child {{ text-align: left }}
</style>
<h1>{title}</h1>
{parts}
</html>
"""


def as_json(scores: Labelling | Mapping[str, float], about: Mapping[str, Any]) -> str:
    """Write the scores and what they are about as one JSON object; NaN becomes null."""
    figures: Mapping[str, Any] = asdict(scores) if isinstance(scores, Labelling) else scores
    return json.dumps(_plain({**about, **figures}), indent=2)


def as_table(scores: Labelling | Mapping[str, float]) -> str:
    """Write aligned rows: each label, then the figures of all together."""
    if not isinstance(scores, Labelling):
        return "\n".join(f"{name.replace('_', ' '):<24} {value:.4f}" for name, value in scores.items())
    rows = [_HEAD, *_label_rows(scores)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, "", *(f"{name:<24} {value}" for name, value in _figures(scores))])


def as_html(scores: Labelling, title: str) -> str:
    """Make a page of the scores; it holds no text of the documents and loads nothing from anywhere."""
    parts = [_table("All labels together", ("", "value"), _figures(scores))]
    parts.append(_table("Labels", _HEAD, _label_rows(scores)))
    if scores.confusions is not None:
        names = list(scores.labels)
        rows = [
            [name, *(f"{int(count):,}" for count in row)]
            for name, row in zip(names, scores.confusions, strict=True)
        ]
        parts.append(_table("Confusions: annotated by row, chosen by column", ("", *names), rows))
    parts.append("<h2>Reliability: how sure the model is, and how often it is right</h2>")
    parts.append(_curve(scores.reliability))
    bins = [(f"{one.sure:.3f}", f"{one.right:.3f}", f"{one.count:,}") for one in scores.reliability]
    parts.append(_table("", ("sure", "right", "answers"), bins))
    return _PAGE.format(title=html.escape(title), parts="\n".join(parts))


def _label_rows(scores: Labelling) -> list[tuple[str, ...]]:
    return [
        (
            name,
            *(_number(one) for one in (row.precision, row.recall, row.f1, row.auroc, row.average_precision)),
            f"{row.texts:,}",
            f"{row.chosen:,}",
        )
        for name, row in scores.labels.items()
    ]


def _figures(scores: Labelling) -> list[tuple[str, str]]:
    found = [("texts", f"{scores.texts:,}")]
    for key, name in _FIGURES:
        shown = _number(getattr(scores, key))
        if key in scores.intervals:
            low, high = scores.intervals[key]
            shown += f"  ({low:.3f}-{high:.3f})"
        found.append((name, shown))
    return found


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        f"{cell:<{w}}" if at == 0 else f"{cell:>{w}}"
        for at, (cell, w) in enumerate(zip(row, widths, strict=True))
    ]


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "\n".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    named = f"<h2>{html.escape(caption)}</h2>" if caption else ""
    return f'{named}<div class="scroll"><table><tr>{heads}</tr>\n{body}</table></div>'


def _curve(bins: Sequence[Bin]) -> str:
    """Draw how often answers are right over how sure they are; the diagonal would be perfect."""
    points = " ".join(f"{one.sure * _SIZE:.1f},{(1 - one.right) * _SIZE:.1f}" for one in bins)
    return (
        f'<svg width="{_SIZE}" height="{_SIZE}" role="img" aria-label="reliability" style="border:1px solid #ccc">'
        f'<line x1="0" y1="{_SIZE}" x2="{_SIZE}" y2="0" stroke="#bbb"/>'
        f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="2"/></svg>'
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
