"""From a corpora folder to the starter's checkpoint: gather, make up, train, select."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from clinspan.formats.document import Document, Entity
from clinspan_export.finetune import Outcome, Settings, finetune
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
)  # fmt: skip
from clinspan_export.starter.synthetic import documents

SETTINGS = Settings(epochs=6, learning_rate=2e-4, batch_tokens=3072, content=190, patience=4, average=0.999)
SYNTHETIC = 4000


def train(
    corpora: Path, base: Path, annotations: Path, out: Path, *, settings: Settings = SETTINGS,
    synthetic: int = SYNTHETIC, on_progress: Callable[[str], None] = print,
) -> Outcome:  # fmt: skip
    """Train the starter's checkpoint.

    Args:
        corpora: folder with `ptt`, `med`, `bc5cdr` and `drugs`.
        base: folder of the MiniLM-L6-H384-uncased encoder.
        annotations: `medication_lines_annotations.jsonl`; only its development part is read.
        out: folder for the checkpoint.
        settings: how to train.
        synthetic: how many documents to make up.
        on_progress: called with one line at a time.
    """
    rows, development = gather(corpora, annotations, synthetic)
    on_progress(
        f"{len(rows)} documents, development {', '.join(f'{k} {len(v)}' for k, v in development.items())}"
    )
    return finetune(
        rows, development, base, out, labels=LABELS, settings=settings, resume=True, on_progress=on_progress
    )


def gather(
    corpora: Path, annotations: Path, synthetic: int
) -> tuple[list[Document], dict[str, list[Document]]]:
    """Training documents, and development documents by group. No test part is read."""
    reports, reports_development = split(case_reports(corpora, "train"), 10)
    events = adverse_events(corpora, "train")
    diseases = read_rows(corpora / "bc5cdr/bc5cdr_train.jsonl")
    made = [
        Document(f"synthetic/{number}", text, tuple(Entity(*entity) for entity in entities))
        for number, (text, entities) in enumerate(
            documents(
                read_products(corpora / "drugs/drugsatfda_Products.txt"),
                words(reports, diseases),
                seed=20,
                count=synthetic,
            )
        )
    ]
    development = {
        "clinical": [_only_clinical(document) for document in reports_development],
        "lines": medication_lines(corpora, annotations, "development"),
        "events": adverse_events(corpora, "dev"),
    }
    # Twice, since there is little of it and its guideline is the hardest to learn.
    return [*reports, *reports, *events, *made], development


def _only_clinical(document: Document) -> Document:
    return replace(document, labels=CLINICAL)
