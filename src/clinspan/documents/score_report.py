"""Show an evaluation: a table for people, JSON for programs, a page with the errors in their text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from clinspan.documents.scores import MATCHES, Evaluation, Score


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
    for name, pair in score_rows(evaluation):
        exact, lenient = (score_cells(pair[match]) for match in MATCHES)
        lines.append(
            f"{name:<{width}}  {exact[0]:>7} {exact[1]:>5} {exact[2]:>5} {exact[3]:>13}  "
            f"{lenient[0]:>9} {lenient[1]:>5} {lenient[2]:>5} {lenient[3]:>13} {pair['exact'].annotated:>10,}"
        )
    macro = ", ".join(f"{match} {evaluation.macro_f1[match]:.3f}" for match in MATCHES)
    lines.append(f"macro F1: {macro}; {drawn(evaluation)}")
    if evaluation.unscored:
        shown = ", ".join(f"{label} {count:,}" for label, count in evaluation.unscored.items())
        lines.append(f"not scored, since nobody annotated them: {shown}")
    # A label from a JSON escape may hold half a surrogate pair, which neither a terminal nor a file takes.
    return "\n".join(lines).encode("utf-8", "replace").decode("utf-8")


def drawn(evaluation: Evaluation) -> str:
    """Say how many documents were scored, and what the intervals draw."""
    count = f"{evaluation.documents:,} document{'' if evaluation.documents == 1 else 's'}"
    if evaluation.units == 1:
        return f"{count}, too few for an interval"
    if evaluation.units != evaluation.documents:
        return f"{count} of {evaluation.units:,} sentences, which the intervals draw"
    return count


def score_rows(evaluation: Evaluation) -> Iterator[tuple[str, Mapping[str, Score]]]:
    """Yield each label, then "micro", with its scores by match."""
    for label in evaluation.labels:
        yield label, {match: evaluation.by_label[match][label] for match in MATCHES}
    yield "micro", evaluation.micro


def score_cells(score: Score) -> tuple[str, str, str, str]:
    """Write precision, recall, F1 and its interval."""
    low, high = score.interval
    interval = "" if math.isnan(low) else f"{low:.3f}-{high:.3f}"
    return f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", interval
