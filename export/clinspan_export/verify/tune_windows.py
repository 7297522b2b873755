"""Choose the window, overlap and aggregation of a model on annotated notes, or keep the default.

A model fine-tuned on short chunks loses F1 in long windows and one fine-tuned on long ones may lose it in
short ones, so the answer is the model's own. A few notes cannot tell such a loss from chance: the default
stands unless a paired bootstrap over the notes says that another setting's F1 is higher.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from clinspan.bundle.loading import Loaded
from clinspan.bundle.manifest import Bundle
from clinspan.documents.document import Document, Entity
from clinspan.documents.find import entities
from clinspan.documents.scores import Difference, Score, compare, evaluate
from clinspan.engine.cores import available_cores
from clinspan.engine.model import Model
from clinspan.engine.providers import Device
from clinspan.engine.session import Session
from clinspan.recognizer import Recognizer
from clinspan.text.decode import AGGREGATIONS, label_table, read_words, spans
from clinspan.text.tokenizer import Tokenizer
from clinspan.text.viterbi import CRF, first_rows, label_words
from clinspan_export.errors import ExportError
from clinspan_export.quiet import Progress, counting
from clinspan_export.verify.report import score_row
from clinspan_export.verify.samples import check_labels, read_samples

MARGIN = 0.003
WINDOWS = (62, 94, 126, 190, 254, 382, 510)
OVERLAPS = (0, 32)

_TEST = re.compile(r"(?<![a-z])test(?:s|set|ing|data)?(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting and its results.

    Attributes:
        window, overlap: in tokens.
        aggregation: of a word's tokens.
        score: against the annotations, all labels together.
        tokens_per_second: tokens of the notes, each counted once, over time spent in tokenizer and model.
    """

    window: int
    overlap: int
    aggregation: str
    score: Score
    tokens_per_second: float

    def as_json(self) -> dict[str, Any]:
        """Row of the table in the manifest."""
        return {
            "window": self.window,
            "overlap": self.overlap,
            "aggregation": self.aggregation,
            **score_row(self.score),
            "tokens_per_second": round(self.tokens_per_second),
        }

    def __str__(self) -> str:
        return f"{self.window} tokens, overlap {self.overlap}, aggregation {self.aggregation}"


# A setting's trial, with the entities that it found in each note.
Found = tuple[Trial, Sequence[Sequence[Entity]]]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which setting a bundle gets, and why.

    Attributes:
        default: the setting before tuning.
        contender: the fastest setting whose F1 is within the margin of the best; it may be the default.
        difference: the contender's exact F1 against the default's, on the same draws of notes.
    """

    default: Trial
    contender: Trial
    difference: Difference

    @property
    def moves(self) -> bool:
        """Say whether the contender's F1 is higher: the whole 95 % interval of the difference lies above 0."""
        return self.difference.interval[0] > 0

    @property
    def chosen(self) -> Trial:
        """The setting that the bundle gets."""
        return self.contender if self.moves else self.default

    def __str__(self) -> str:
        low, high = self.difference.interval
        if self.contender == self.default:
            return f"the default stays, {self.default}: no faster setting is within the margin of the best F1"
        less = "lower" if self.difference.f1 < 0 else "higher"
        measured = f"F1 is {abs(self.difference.f1):.4f} {less} with {self.contender}"
        if math.isnan(low):
            return f"the default stays, {self.default}: {measured}, on a single note, which shows nothing"
        interval = f"95 % interval {low:+.4f} to {high:+.4f}"
        if self.moves:
            return f"{measured} than with the default, {interval}"
        return f"the default stays, {self.default}: {measured}, {interval}, which is not above 0"

    def as_json(self) -> dict[str, Any]:
        """The part of the manifest's record that says why."""
        interval = [None if math.isnan(edge) else round(edge, 4) for edge in self.difference.interval]
        return {
            "chosen": self.chosen.as_json(),
            "default": self.default.as_json(),
            "contender": self.contender.as_json(),
            "difference": round(self.difference.f1, 4),
            "interval": interval,
            "default_stays": self.chosen == self.default,
            "why": str(self),
        }


def read_tuning_notes(path: Path) -> list[Document]:
    """Read annotated notes to tune on; a setting chosen on a test set would make that set's figures worthless.

    Raises:
        ExportError: they cannot be read, or the file's name, its folder's or an id of a note says test.
    """
    samples = read_samples(path)
    refuse_test_set(path, [sample.id for sample in samples])
    return samples


def refuse_test_set(path: Path, ids: Sequence[str]) -> None:
    """Refuse to tune on a test set.

    Raises:
        ExportError: the file's name, its folder's or an id of a note says test.
    """
    found = next((name for name in ids if _TEST.search(name)), None)
    if _TEST.search(path.name) or path.parent.name.lower() in ("test", "tests"):
        found = path.name
    if found is not None:
        raise ExportError(
            f"{path} looks like a test set ({found!r} says so): tune on a development set, or what the test set "
            "measures afterwards is worth nothing"
        )


def tune(
    bundle: Bundle, samples: Sequence[Document], *, source: str, margin: float, progress: Progress
) -> Bundle:
    """Choose window, overlap and aggregation on annotated notes, with the model that CPUs will run.

    The bundle's own setting is the default, which stays unless another's F1 is higher beyond chance. Every note goes through all settings in turn, so that a slow minute of the machine slows all of them.

    Args:
        bundle: with its models in place.
        samples: annotated notes; those without an entity are left out.
        source: name of the notes, for the report.
        margin: F1 below the best that a faster setting may have.
        progress: told how far it is.

    Returns:
        The bundle with the choice, why it was made, and the whole table.

    Raises:
        ExportError: no note has an entity, or none with a label of the model.
    """
    annotated = [sample for sample in samples if sample.entities]
    if not annotated:
        raise ExportError(f"{source} has no gold entities to tune on")
    unscored = check_labels(annotated, bundle.labels.entities, source)
    precision = bundle.precision(None)
    found = _run(bundle, precision, annotated, progress)
    trials = [trial for trial, _ in found]
    choice = decide(annotated, found, _default(bundle, trials), margin, bundle.labels.entities)
    progress(f"tuning: {choice}")
    report = {
        "source": source,
        "notes": len(annotated),
        "precision": precision,
        "margin": margin,
        "best_f1": round(max(trial.score.f1 for trial in trials), 4),
        "unscored_labels": list(unscored),
        **choice.as_json(),
        "table": [trial.as_json() for trial in trials],
    }
    chosen = choice.chosen
    window, overlap, aggregation = chosen.window, chosen.overlap, chosen.aggregation
    return replace(bundle, window=window, overlap=overlap, aggregation=aggregation, tuning=report)


def decide(
    gold: Sequence[Document], found: Sequence[Found], default: Trial, margin: float, labels: Sequence[str]
) -> Choice:
    """Choose a contender by the figures alone, and compare it with the default on the same draws of the notes.

    One setting alone is compared, since the best of many comparisons would too often be above 0 by chance.

    Args:
        gold: annotated notes.
        found: each trial with what it found in each note; the default's is among them.
        default: the trial of the setting that stays unless the contender's F1 is higher.
        margin: F1 below the best that a faster setting may have.
        labels: labels to score.
    """
    contender = choose([trial for trial, _ in found], margin)
    spans_of = {(trial.window, trial.overlap, trial.aggregation): spans for trial, spans in found}
    theirs, ours = (spans_of[one.window, one.overlap, one.aggregation] for one in (contender, default))
    return Choice(default, contender, compare(gold, theirs, ours, labels=labels)["exact"])


def choose(trials: Sequence[Trial], margin: float) -> Trial:
    """Choose the fastest trial whose F1 is within the margin of the best; of equally fast ones the best F1.

    Trials of one window and overlap share one run of the model, so their speed is equal and the aggregation
    is decided by F1 alone, in the order of `clinspan.text.decode.AGGREGATIONS` between equals.
    """
    order, best = (*AGGREGATIONS, CRF), max(trial.score.f1 for trial in trials)
    good = [trial for trial in trials if trial.score.f1 >= best - margin]
    return max(
        good,
        key=lambda trial: (trial.tokens_per_second, trial.score.f1, -order.index(trial.aggregation)),
    )


def _default(bundle: Bundle, trials: Sequence[Trial]) -> Trial:
    setting = bundle.window, bundle.overlap, bundle.aggregation
    return next(trial for trial in trials if (trial.window, trial.overlap, trial.aggregation) == setting)


def _run(bundle: Bundle, precision: str, samples: Sequence[Document], progress: Progress) -> list[Found]:
    settings = _settings(bundle.max_window)
    if (bundle.window, bundle.overlap) not in settings:
        settings.append((bundle.window, bundle.overlap))
    tokenizer = Tokenizer(bundle.file(bundle.tokenizer))
    recognizers = _recognizers(bundle, precision, tokenizer, settings)
    table = label_table(bundle.labels)
    found: dict[tuple[int, str], list[list[Entity]]]
    found = {key: [] for key in product(range(len(settings)), bundle.aggregations)}
    seconds, tokens = np.zeros(len(settings)), 0
    recognizers[0].token_logits(samples[0].text)  # the first run pays for memory that all later ones use
    doing = f"tuning, {len(settings)} windows each"
    for done, sample in enumerate(counting(samples, progress, doing, total=len(samples))):
        encoding = tokenizer.encode(sample.text)
        tokens += len(encoding)
        # Each note begins with another setting, so that none always runs on a cold or a warm cache.
        for which in np.roll(np.arange(len(settings)), done).tolist():
            began = time.perf_counter()
            logits = recognizers[which].token_logits(sample.text)
            seconds[which] += time.perf_counter() - began
            for aggregation in bundle.aggregations:
                if bundle.crf is not None:
                    words = label_words(
                        [first_rows(logits, encoding.word_ids)], encoding.word_ids, bundle.crf
                    )
                else:
                    words = [read_words(logits, encoding.word_ids, aggregation)] if len(encoding) else []
                found[which, aggregation].append(entities(spans(sample.text, encoding, words, table)))
    trials: list[Found] = []
    for (which, aggregation), several in found.items():
        scores = evaluate(samples, several, labels=bundle.labels.entities, resamples=0)
        speed = tokens / seconds[which]
        trials.append((Trial(*settings[which], aggregation, scores.micro["exact"], speed), several))
    return trials


def _recognizers(
    bundle: Bundle, precision: str, tokenizer: Tokenizer, settings: Sequence[tuple[int, int]]
) -> list[Recognizer]:
    """Make a recognizer for each window and overlap, all on one session."""
    path, classes = bundle.file(bundle.models[precision]), len(bundle.labels.names)
    model = Model(Session(path, device=Device("cpu"), classes=classes), tokenizer)
    recognizers = []
    for window, overlap in settings:
        cut = replace(bundle, window=window, overlap=overlap)
        recognizers.append(Recognizer(Loaded(cut, model, tokenizer, precision, available_cores())))
    return recognizers


def _settings(max_window: int) -> list[tuple[int, int]]:
    windows = [w for w in WINDOWS if w <= max_window]
    if max_window < WINDOWS[-1] and max_window not in windows:
        windows.append(max_window)
    return [(window, overlap) for window, overlap in product(windows, OVERLAPS) if overlap * 2 <= window]
