"""From a corpora folder to the starter's checkpoint: gather, make up, train in two stages.

The first stage learns everything at once and is watched on development documents. The second goes on from it with new
synthetic text, each case report several times, and the development reports among them; its length was fixed beforehand
and its last epoch is kept, so that nothing is selected on what it trains on. No test part is read by either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clinspan.formats.document import Document, Entity
from clinspan_export.finetune import Settings, finetune
from clinspan_export.starter.products import read_products
from clinspan_export.starter.sources import (
    CLINICAL,
    LABELS,
    adverse_events,
    case_reports,
    medication_lines,
    read_rows,
    split,
    words,
)
from clinspan_export.starter.synthetic import documents

# One in so many case reports is held out of the first stage.
_HELD_OUT = 10

FIRST = Settings(epochs=3, learning_rate=3e-4, batch_tokens=3072, content=190, average=0.99)
SECOND = Settings(epochs=2, learning_rate=2e-4, batch_tokens=3072, content=190, average=0.99, seed=1)


@dataclass(frozen=True, slots=True)
class Mixture:
    """How often each case report is seen in an epoch, and how many documents are made up, from which seed."""

    reports: int
    synthetic: int
    seed: int


FIRST_MIXTURE = Mixture(reports=2, synthetic=3500, seed=20)
SECOND_MIXTURE = Mixture(reports=4, synthetic=1200, seed=21)


def train(
    corpora: Path, base: str | Path, annotations: Path, out: Path, *, on_progress: Callable[[str], None]
) -> None:
    """Train the starter's checkpoint; a stopped run goes on after its last epoch.

    Args:
        corpora: folder with `ptt`, `med`, `bc5cdr` and `drugs`.
        base: folder or Hub id of the MiniLM-L6-H384-uncased encoder.
        annotations: `medication_lines_annotations.jsonl`; only its development part is read.
        out: folder for the checkpoint; that of the first stage goes into `first` in it.
        on_progress: called with one line at a time.
    """
    first = out / "first"
    reports = case_reports(corpora, "train")
    kept, held_out = split(reports, _HELD_OUT)
    if not (out / "first.done").exists():
        on_progress("first stage")
        finetune(
            gather(corpora, kept, FIRST_MIXTURE),
            development(corpora, annotations, held_out),
            base,
            first,
            labels=LABELS,
            settings=FIRST,
            resume=True,
            on_progress=on_progress,
        )
        (out / "first.done").touch()
    on_progress("second stage")
    finetune(
        gather(corpora, reports, SECOND_MIXTURE),
        {},
        first,
        out,
        labels=LABELS,
        settings=SECOND,
        resume=True,
        on_progress=on_progress,
    )


def gather(corpora: Path, reports: Sequence[Document], mixture: Mixture) -> list[Document]:
    """Training documents: case reports, sentences about adverse events, and synthetic text."""
    diseases = read_rows(corpora / "bc5cdr/bc5cdr_train.jsonl")
    made = documents(
        read_products(corpora / "drugs/drugsatfda_Products.txt"),
        words(reports, diseases),
        seed=mixture.seed,
        count=mixture.synthetic,
    )
    synthetic = [
        Document(f"synthetic/{mixture.seed}/{number}", text, tuple(Entity(*entity) for entity in entities))
        for number, (text, entities) in enumerate(made)
    ]
    # Several times, since there are few of them and their guideline is the hardest to learn.
    return [*(mixture.reports * list(reports)), *adverse_events(corpora, "train"), *synthetic]


def development(
    corpora: Path, annotations: Path, held_out: Sequence[Document]
) -> dict[str, list[Document]]:
    """Development documents by group: held-out case reports, annotated medication lines, adverse events."""
    return {
        "clinical": [replace(document, labels=CLINICAL) for document in held_out],
        "lines": medication_lines(corpora, annotations, "development"),
        "events": adverse_events(corpora, "dev"),
    }
