"""From a corpora folder to the starter's checkpoint: gather, make up, train, balance.

Training sees case reports, sentences about adverse events and synthetic text. The epoch and the balance between precision
and recall are chosen on development documents; no test part is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import jsonl
from clinspan_export.quiet import Progress
from clinspan_export.starter import sources
from clinspan_export.starter.balance import balance
from clinspan_export.starter.products import read_products
from clinspan_export.starter.synthetic import documents
from clinspan_export.train.finetune import finetune
from clinspan_export.train.settings import TrainingSettings

# One case report in this number is a development document.
_HELD_OUT = 10

SETTINGS = TrainingSettings(epochs=3, learning_rate=3e-4, batch_tokens=2048, window=190, average=0.99)
# How often each epoch sees a case report: there are few, and their guideline is the hardest to learn.
_REPORTS = 3
_SYNTHETIC = 3000
_SEED = 20

# Written beside the weights when training is over.
_RECORD = "starter_training.json"


def train(
    corpora: Path,
    base: str | Path,
    annotations: Path,
    out: Path,
    *,
    medication_only: bool = False,
    seed: int = 0,
    progress: Progress,
) -> None:
    """Train the starter's checkpoint; a stopped run goes on after its last epoch, a finished one is left as it is.

    Args:
        corpora: folder with `ptt`, `med`, `bc5cdr` and `drugs`.
        base: folder or Hub id of the MiniLM-L6-H384-uncased encoder.
        annotations: `medication_lines_annotations.jsonl`; only its development part is read.
        out: folder for the checkpoint.
        medication_only: the same texts and steps with the seven medication labels alone, to compare with.
        seed: of the classifier's first weights, dropout and the order of batches; the synthetic text stays as it is.
        progress: told how far it is, a line at a time.
    """
    # More than 40 lines with the options' documentation; the recipe's steps stand in their order.
    settings, record = replace(SETTINGS, seed=seed), out / _RECORD
    recipe = {**asdict(settings), "reports": _REPORTS, "synthetic": _SYNTHETIC, "synthetic_seed": _SEED}
    if record.exists() and json.loads(record.read_text(encoding="utf-8"))["recipe"] == recipe:
        progress(f"{out} is trained already")
        return
    kept, held_out = sources.split(sources.case_reports(corpora, "train"), _HELD_OUT)
    watched = development(corpora, annotations, held_out)
    rows = gather(corpora, kept)
    labels: Sequence[str] = sources.LABELS
    if medication_only:
        part = sources.medication_part
        del watched["clinical"]  # it has no medication label to score
        watched = {name: [part(document) for document in group] for name, group in watched.items()}
        rows, labels = [part(row) for row in rows], labels[: len(sources.MEDICATION)]
    outcome = finetune(
        rows, watched, base, out, labels=labels, settings=settings, resume=True, progress=progress
    )
    constant = 0.0
    if not medication_only:
        constant = balance(out, watched["clinical"], window=settings.window, progress=progress)
    trained = {"recipe": recipe, "outcome": asdict(outcome), "clinical_logits_less": constant}
    record.write_text(json.dumps(trained, indent=1) + "\n", encoding="utf-8")


def gather(corpora: Path, reports: Sequence[Document]) -> list[Document]:
    """Training documents: case reports, sentences about adverse events, and synthetic text."""
    diseases = list(jsonl.read(corpora / "bc5cdr/bc5cdr_train.jsonl"))
    made = documents(
        read_products(corpora / "drugs/drugsatfda_Products.txt"),
        sources.words(reports, diseases),
        seed=_SEED,
        count=_SYNTHETIC,
    )
    synthetic = [
        Document(f"synthetic/{number}", text, tuple(Entity(*entity) for entity in entities))
        for number, (text, entities) in enumerate(made)
    ]
    return [*(_REPORTS * list(reports)), *sources.adverse_events(corpora, "train"), *synthetic]


def development(corpora: Path, annotations: Path, held_out: Sequence[Document]) -> dict[str, list[Document]]:
    """Development documents by group: held-out case reports, annotated medication lines, adverse events."""
    return {
        "clinical": [replace(document, labels=sources.CLINICAL) for document in held_out],
        "lines": sources.medication_lines(corpora, annotations, "development"),
        "events": sources.adverse_events(corpora, "dev"),
    }
