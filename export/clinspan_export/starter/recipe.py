"""From a corpora folder to the starter's checkpoint: gather, make up, train in two stages.

The first stage learns everything at once. The second goes on from it with new synthetic text and each case report several
times, since there are few of them. Both select their epoch on development documents; no test part is read by either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clinspan.formats.document import Document, Entity
from clinspan_export.finetune import Settings, finetune
from clinspan_export.starter.balance import balance
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


@dataclass(frozen=True, slots=True)
class Mixture:
    """How often each case report is seen in an epoch, and how many documents are made up, from which seed."""

    reports: int
    synthetic: int
    seed: int


STAGES = (
    (
        "first",
        Settings(epochs=3, learning_rate=3e-4, batch_tokens=3072, content=190, average=0.99),
        Mixture(reports=2, synthetic=3500, seed=20),
    ),
    (
        "clinspan-starter",
        Settings(epochs=2, learning_rate=2e-4, batch_tokens=3072, content=190, average=0.99, seed=1),
        Mixture(reports=4, synthetic=1200, seed=21),
    ),
)


def train(
    corpora: Path, base: str | Path, annotations: Path, out: Path, *, on_progress: Callable[[str], None]
) -> Path:
    """Train the starter's checkpoint; a stopped run goes on after its last epoch.

    Args:
        corpora: folder with `ptt`, `med`, `bc5cdr` and `drugs`.
        base: folder or Hub id of the MiniLM-L6-H384-uncased encoder.
        annotations: `medication_lines_annotations.jsonl`; only its development part is read.
        out: folder for the checkpoints, one folder a stage.
        on_progress: called with one line at a time.

    Returns:
        The last stage's folder.
    """
    kept, held_out = split(case_reports(corpora, "train"), _HELD_OUT)
    watched = development(corpora, annotations, held_out)
    for name, settings, mixture in STAGES:
        stage = out / name
        if not (stage / "done").exists():
            on_progress(f"stage {name}")
            rows = gather(corpora, kept, mixture)
            finetune(
                rows,
                watched,
                base,
                stage,
                labels=LABELS,
                settings=settings,
                resume=True,
                on_progress=on_progress,
            )
            (stage / "done").touch()
        base = stage
    if not (stage / "balanced").exists():
        balance(stage, watched["clinical"], content=settings.content, on_progress=on_progress)
        (stage / "balanced").touch()
    return stage


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


def development(corpora: Path, annotations: Path, held_out: Sequence[Document]) -> dict[str, list[Document]]:
    """Development documents by group: held-out case reports, annotated medication lines, adverse events."""
    return {
        "clinical": [replace(document, labels=CLINICAL) for document in held_out],
        "lines": medication_lines(corpora, annotations, "development"),
        "events": adverse_events(corpora, "dev"),
    }
