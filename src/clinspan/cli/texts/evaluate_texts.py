"""`clinspan evaluate` of a classifier: measure it on texts with labels, as the runtime runs it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from clinspan.classifier import Classifier
from clinspan.cli.console import UsageError, say, write_stdout, write_text
from clinspan.cli.runs.progress import told
from clinspan.cli.values import read_threshold
from clinspan.documents.label_scores.label_report import as_html, as_json, as_table
from clinspan.documents.label_scores.measures import Labelling, measure_labels, measure_numbers
from clinspan.documents.labelled import LabelledText, read_labelled
from clinspan.errors import InputError
from clinspan.text.decode import score_limits
from clinspan.text.merge import LabelScore
from clinspan.textfiles import printable

# Options of the same command that mean nothing here, and the value of each that was not given.
_OF_ENTITIES: dict[str, object] = {
    "gold_format": None, "map": [], "map_gold": [], "label": None, "details": False, "aggregation": None,
}  # fmt: skip


def run_texts(options: argparse.Namespace, classifier: Classifier) -> None:
    """Evaluate as the options say, and print the scores.

    Raises:
        UsageError: an option has no meaning for a classifier.
        InputError: the texts or their labels cannot be used.
    """
    for name, default in _OF_ENTITIES.items():
        if getattr(options, name) != default:
            raise UsageError(
                f"--{name.replace('_', '-')} is an option for entities, and this model classifies"
            )
    if options.resamples < 0 or options.seed < 0:
        raise UsageError("expected --resamples and --seed of 0 or more")
    if options.html and classifier.problem == "regression":
        raise UsageError("--html shows labels, and this model gives numbers")
    score_limits(read_threshold(options.threshold), classifier.labels)  # refuses a label that the model lacks
    gold = list(read_labelled(options.gold, label_field=options.label_field))
    if not gold:
        raise InputError(f"{options.gold}: no text to score")
    pipe = classifier.pipe((one.text for one in gold), truncate=options.truncate)
    found = list(told(pipe, quiet=options.quiet, total=lambda: len(gold)))
    scores = _scores(gold, found, classifier, options)
    if options.html and isinstance(scores, Labelling):
        title = f"{classifier.report().model} on {Path(options.gold).name}"
        write_text(Path(options.html), as_html(scores, title))
    if options.format == "json":
        about = {"gold": options.gold, "model": asdict(classifier.report()), "truncate": options.truncate}
        write_stdout(as_json(scores, about))
    else:
        write_stdout(printable(as_table(scores)))


def _scores(
    gold: Sequence[LabelledText],
    found: Sequence[list[LabelScore]],
    classifier: Classifier,
    options: argparse.Namespace,
) -> Labelling | dict[str, float]:
    problem = classifier.problem
    if problem != "multi-label" and any(len(one.labels) != 1 for one in gold):
        raise InputError(f"{options.gold}: some texts have several labels or none, and the model gives one")
    if problem == "regression":
        answers = np.array([one[0].score for one in found], np.float64)
        return measure_numbers(_numbers(gold, options.gold), answers)
    annotated: set[str] = set()
    for one in gold:
        annotated |= one.labels
    strange = sorted(annotated - set(classifier.labels))
    if strange:
        say(f"clinspan: the model lacks {len(strange)} of the annotated labels, which count as missed")
    names = [*classifier.labels, *strange]
    places = {name: at for at, name in enumerate(names)}
    truth, chosen = (np.zeros((len(gold), len(names)), np.bool_) for _ in range(2))
    scores = np.full(truth.shape, np.nan)
    limits = read_threshold(options.threshold)
    for at, (one, given) in enumerate(zip(gold, found, strict=True)):
        truth[at, [places[label] for label in one.labels]] = True
        for answer in given:
            scores[at, places[answer.label]] = answer.score
            chosen[at, places[answer.label]] = _chosen(answer, limits, given=bool(options.threshold))
    return measure_labels(
        truth, scores, chosen, names, single=problem == "single-label", resamples=options.resamples,
        seed=options.seed,
    )  # fmt: skip


def _chosen(answer: LabelScore, limits: object, *, given: bool) -> bool:
    """The model's own decision, or that of the thresholds that were given."""
    if not given:
        return answer.chosen
    if isinstance(limits, dict):
        return answer.score >= limits[answer.label] if answer.label in limits else answer.chosen
    return isinstance(limits, float) and answer.score >= limits


def _numbers(gold: Sequence[LabelledText], path: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = []
    for one in gold:
        try:
            values.append(float(next(iter(one.labels))))
        except ValueError:
            values.append(np.nan)
    found = np.array(values, np.float64)
    if not np.isfinite(found).all():
        raise InputError(f"{path}: a label is not a number, and the model gives numbers")
    return found
