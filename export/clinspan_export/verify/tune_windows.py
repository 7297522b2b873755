"""Which window, overlap and word vote make this model fastest without costing an entity? Asks annotated notes.

A model fine-tuned on short chunks loses F1 in long windows and one fine-tuned on long ones may lose it in
short ones, so the answer is the model's own; without gold a safe default stands.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.bundle.loading import Loaded
from clinspan.bundle.manifest import Bundle
from clinspan.engine.cores import available_cores
from clinspan.engine.model import Model
from clinspan.engine.session import Device, Session
from clinspan.recognizer import Recognizer
from clinspan.text.decode import AGGREGATIONS, LabelTable, label_table, read_words, spans
from clinspan.text.tokenizer import Encoding, Tokenizer
from clinspan_export.errors import ExportError
from clinspan_export.verify.notes import Sample, check_labels
from clinspan_export.verify.scores import Place, Score, score

MARGIN = 0.003
WINDOWS = (62, 94, 126, 190, 254, 382, 510)
OVERLAPS = (0, 32)

_TEST = re.compile(r"(?<![a-z])test(?:s|set|ing|data)?(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting and what came of it.

    Attributes:
        window, overlap: in tokens.
        aggregation: word vote.
        score: against the gold, all labels together.
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
            **self.score.as_json(),
            "tokens_per_second": round(self.tokens_per_second),
        }


def refuse_test_set(path: Path, samples: Sequence[Sample]) -> None:
    """Refuse a test set: a setting chosen on it makes its figures worthless.

    Raises:
        ExportError: the file's name, its folder's, or an id of a note says test.
    """
    found = next((s.id for s in samples if _TEST.search(s.id)), None)
    if _TEST.search(path.name) or path.parent.name.lower() in ("test", "tests"):
        found = path.name
    if found is not None:
        raise ExportError(
            f"{path} looks like a test set ({found!r} says so): tune on a development set, or what the test set "
            "measures afterwards is worth nothing"
        )


def tune(
    bundle: Bundle,
    samples: Sequence[Sample],
    *,
    source: str,
    margin: float = MARGIN,
    progress: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Choose window, overlap and word vote on annotated notes, with the model that CPUs will run.

    Every note goes through all settings in turn, so that a slow minute of the machine slows all of them.

    Args:
        bundle: with its models in place.
        samples: annotated notes; those without gold are left out.
        source: name of the gold, for the report.
        margin: F1 below the best that a faster setting may have.
        progress: told how far it is.

    Returns:
        The bundle with the choice and the whole table.

    Raises:
        ExportError: no gold, or none that the model's labels can be scored on.
    """
    annotated = [sample for sample in samples if sample.gold]
    if not annotated:
        raise ExportError(f"{source} has no gold entities to tune on")
    unscored = check_labels(annotated, bundle.labels.entities, source)
    precision = bundle.precision(None, "cpu")
    trials = _run(bundle, precision, annotated, progress)
    best = max(trial.score.f1 for trial in trials)
    chosen = choose(trials, margin)
    report = {
        "source": source,
        "notes": len(annotated),
        "precision": precision,
        "margin": margin,
        "best_f1": round(best, 4),
        "unscored_labels": list(unscored),
        "chosen": chosen.as_json(),
        "table": [trial.as_json() for trial in trials],
    }
    return replace(
        bundle,
        window=chosen.window,
        overlap=chosen.overlap,
        aggregation=chosen.aggregation,
        tuning=report,
    )


def choose(trials: Sequence[Trial], margin: float) -> Trial:
    """The fastest of the trials whose F1 is within the margin of the best; of equally fast ones the best F1.

    Trials of one window and overlap share one run of the model, so their speed is equal and the word vote
    is decided by F1 alone, in the order of `clinspan.text.decode.AGGREGATIONS` between equals.
    """
    best = max(trial.score.f1 for trial in trials)
    good = [trial for trial in trials if trial.score.f1 >= best - margin]
    return max(
        good,
        key=lambda t: (t.tokens_per_second, t.score.f1, -AGGREGATIONS.index(t.aggregation)),
    )


def _run(
    bundle: Bundle, precision: str, samples: Sequence[Sample], progress: Callable[[str], None]
) -> list[Trial]:
    settings = _settings(bundle.max_window)
    tokenizer = Tokenizer(bundle.file(bundle.tokenizer))
    session = Session(
        bundle.file(bundle.models[precision]), device=Device("cpu"), classes=len(bundle.labels.names)
    )
    model = Model(session, tokenizer)
    recognizers = [
        Recognizer(
            Loaded(
                replace(bundle, window=window, overlap=overlap),
                model,
                tokenizer,
                precision,
                available_cores(),
            )
        )
        for window, overlap in settings
    ]
    table = label_table(bundle.labels)
    known = set(bundle.labels.entities)
    seconds = np.zeros(len(settings))
    tokens = 0
    pairs: dict[tuple[int, str], list[tuple[list[Place], list[Place]]]] = {}
    recognizers[0].token_logits(samples[0].text)  # the first run pays for memory that all later ones use
    for done, sample in enumerate(samples):
        if done % 20 == 0:
            progress(f"tuning: {done} of {len(samples)} notes, {len(settings)} windows each")
        encoding = tokenizer.encode(sample.text)
        tokens += len(encoding)
        gold = [place for place in sample.gold or () if place[0] in known]
        # Each note begins with another setting, so that none always runs on a cold or a warm cache.
        for which in np.roll(np.arange(len(settings)), done).tolist():
            began = time.perf_counter()
            logits = recognizers[which].token_logits(sample.text)
            seconds[which] += time.perf_counter() - began
            for vote in AGGREGATIONS:
                found = _places(sample.text, encoding, logits, vote, table)
                pairs.setdefault((which, vote), []).append((gold, found))
    return [
        Trial(window, overlap, vote, score(pairs[which, vote])[0], tokens / seconds[which])
        for which, (window, overlap) in enumerate(settings)
        for vote in AGGREGATIONS
    ]


def _settings(max_window: int) -> list[tuple[int, int]]:
    windows = [w for w in WINDOWS if w <= max_window]
    if max_window < WINDOWS[-1] and max_window not in windows:
        windows.append(max_window)
    return [(window, overlap) for window in windows for overlap in OVERLAPS if overlap * 2 <= window]


def _places(
    text: str, encoding: Encoding, logits: npt.NDArray[np.float32], vote: str, table: LabelTable
) -> list[Place]:
    words = [read_words(logits, encoding.word_ids, vote)] if len(encoding) else []
    return [(span.label, span.start, span.end) for span in spans(text, encoding, words, table)]
