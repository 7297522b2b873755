"""Choose on texts with labels how the windows of a long text are merged, or keep what the bundle has.

A few texts cannot tell a better way from chance: the bundle's own stays unless a paired bootstrap over the texts says that
another scores higher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.bundle.manifest import Bundle
from clinspan.documents.label_scores.measures import compare_choices
from clinspan.documents.labelled import LabelledText
from clinspan.text.merge import MERGES, SCALES, Scoring, merge_logits
from clinspan_export.errors import ExportError
from clinspan_export.quiet import Progress
from clinspan_export.texts.text_compare import answers_of, tokenized_texts
from clinspan_export.texts.thresholds import best_threshold, choose_thresholds

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Merged:
    """One way to merge, and its results.

    Attributes:
        merge, scale: as in `clinspan.text.merge.Scoring`.
        scores: float32 (n, c), of the labels.
        chosen: bool (n, c): the best label, or those over the one threshold that is best for all labels together.
        score: accuracy, or the micro F1 where a text may have several labels.
    """

    merge: str
    scale: str
    scores: npt.NDArray[np.float32]
    chosen: Flags
    score: float

    def as_json(self) -> dict[str, Any]:
        """Row of the table in the manifest."""
        return {"merge": self.merge, "scale": self.scale, "score": round(self.score, 4)}

    def __str__(self) -> str:
        return f"{self.merge} of {self.scale}"


def tune_merge(bundle: Bundle, texts: Sequence[LabelledText], *, source: str, progress: Progress) -> Bundle:
    """Choose how windows are merged, with the model that CPUs will run.

    Where a text may have several labels, each label also gets the threshold of its best F1, unless the bundle has thresholds
    already and keeps its way to merge.

    Args:
        bundle: with its models in place.
        texts: with labels; those that the model does not have are left out.
        source: name of the texts, for the manifest.
        progress: told what was chosen.

    Returns:
        The bundle with the choice, why it was made, and the whole table.

    Raises:
        ExportError: the model gives numbers, or no text has a label of the model.
    """
    scoring = bundle.head
    if not isinstance(scoring, Scoring) or scoring.problem == "regression":
        raise ExportError("--tune needs a model that gives labels, and this one gives numbers")
    truth = np.array([[name in one.labels for name in scoring.names] for one in texts], np.bool_)
    if not truth.any():
        raise ExportError(f"{source} has no label of the model to tune on")
    precision = bundle.precision(None)
    trials = _trials(bundle, precision, texts, truth, progress)
    default = next(one for one in trials if (one.merge, one.scale) == (scoring.merge, scoring.scale))
    contender = max(
        [default, *trials], key=lambda one: one.score
    )  # of equals the default, which stands first
    single = scoring.problem == "single-label"
    difference, interval = compare_choices(truth, contender.chosen, default.chosen, single=single)
    moves = interval[0] > 0
    chosen = contender if moves else default
    why = (
        f"{chosen} is used: {contender} scores {difference:.4f} more than {default}, "
        f"95 % interval {interval[0]:+.4f} to {interval[1]:+.4f}"
    )
    progress(f"tuning: {why}")
    head = replace(scoring, merge=chosen.merge, scale=chosen.scale)
    if not single and (moves or not scoring.thresholds):
        head = replace(head, thresholds=choose_thresholds(chosen.scores, truth, scoring.names))
    report = {
        "source": source,
        "texts": len(texts),
        "precision": precision,
        "measure": "accuracy" if single else "micro_f1",
        "chosen": chosen.as_json(),
        "default": default.as_json(),
        "contender": contender.as_json(),
        "difference": round(difference, 4),
        "interval": [round(edge, 4) for edge in interval],
        "default_stays": chosen is default,
        "why": why,
        "table": [one.as_json() for one in trials],
    }
    return replace(bundle, head=head, tuning=report)


def _trials(
    bundle: Bundle, precision: str, texts: Sequence[LabelledText], truth: Flags, progress: Progress
) -> list[Merged]:
    """Merge the same answers to the same windows in every way."""
    assert isinstance(bundle.head, Scoring)
    tokenized = tokenized_texts(bundle, [one.text for one in texts])
    answers = answers_of(bundle, precision, tokenized, progress)
    trials = []
    for merge, scale in product(MERGES, SCALES):
        scoring = replace(bundle.head, merge=merge, scale=scale)
        rows = [
            merge_logits(logits, text.tokens, scoring)
            for logits, text in zip(answers, tokenized, strict=True)
        ]
        scores = np.stack(rows)
        if scoring.problem == "multi-label":
            limit, score = best_threshold(scores, truth)
            trials.append(Merged(merge, scale, scores, scores >= limit, score))
        else:
            best: Flags = np.eye(truth.shape[1], dtype=np.bool_)[scores.argmax(1)]
            trials.append(Merged(merge, scale, scores, best, float((best == truth).all(axis=1).mean())))
    return trials
