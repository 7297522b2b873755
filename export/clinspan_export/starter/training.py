"""From a corpora folder to the starter's checkpoint: gather, make up, train, balance.

Training sees case reports, sentences about adverse events, annotated notes and synthetic text. The epoch and the balance between
precision and recall are chosen on development documents; no test part is read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import jsonl
from clinspan_export.quiet import Progress
from clinspan_export.starter import sources
from clinspan_export.starter.balance import balance, temper
from clinspan_export.starter.notes import annotated_notes, pieces, relined, renamed, written_notes
from clinspan_export.starter.products import read_products, write_name
from clinspan_export.starter.synthetic import documents
from clinspan_export.train.finetune import finetune
from clinspan_export.train.settings import TrainingSettings

SETTINGS = TrainingSettings(
    epochs=3, learning_rate=3e-4, batch_tokens=2048, window=190, average=0.99, line_ends=True
)
# How often each epoch sees a case report and a note, whole or in pieces: there are few, and they are the hardest to learn.
_REPORTS = 2
_NOTES = 3
_WRITTEN = 3
_SYNTHETIC = 4500
_SEED = 20

# Written beside the weights when training is over.
_RECORD = "starter_training.json"


def train(
    corpora: Path,
    base: str | Path,
    annotations: Path,
    notes: Path,
    out: Path,
    *,
    medication_only: bool = False,
    seed: int = 0,
    progress: Progress,
) -> None:
    """Train the starter's checkpoint; a stopped run goes on after its last epoch, a finished one is left as it is.

    Args:
        corpora: folder with `ptt_notes`, `med`, `bc5cdr`, `drugs` and `notes_unlabelled`.
        base: folder or Hub id of the MiniLM-L6-H384-uncased encoder.
        annotations: `medication_lines_annotations.jsonl`; only its development part is read.
        notes: `note_annotations.jsonl`; the part that is kept aside is not read.
        out: folder for the checkpoint.
        medication_only: the same texts and steps with the seven medication labels alone, to compare with.
        seed: of the classifier's first weights, dropout and the order of batches; the synthetic text stays as it is.
        progress: told how far it is, a line at a time.
    """
    # More than 40 lines with the options' documentation; the recipe's steps stand in their order.
    settings, record = replace(SETTINGS, seed=seed), out / _RECORD
    counts = {"reports": _REPORTS, "notes": _NOTES, "written": _WRITTEN, "synthetic": _SYNTHETIC}
    recipe = {**asdict(settings), **counts, "synthetic_seed": _SEED}
    if record.exists() and json.loads(record.read_text(encoding="utf-8"))["recipe"] == recipe:
        progress(f"{out} is trained already")
        return
    watched = development(corpora, annotations, notes)
    rows = gather(corpora, notes)
    labels: Sequence[str] = sources.LABELS
    if medication_only:
        part = sources.medication_part
        watched = {name: [part(document) for document in group] for name, group in watched.items()}
        rows, labels = [part(row) for row in rows], labels[: len(sources.MEDICATION)]
    outcome = finetune(
        rows, watched, base, out, labels=labels, settings=settings, resume=True, progress=progress
    )
    settled = {}
    if not medication_only:
        seen, window = watched["notes"], settings.window
        settled["clinical_logits_less"] = balance(out, seen, window=window, progress=progress)
        settled["temperature"] = temper(out, seen, window=window, progress=progress)
    trained = {"recipe": recipe, "outcome": asdict(outcome), **settled}
    record.write_text(json.dumps(trained, indent=1) + "\n", encoding="utf-8")


def chosen(checkpoint: Path) -> dict[str, float]:
    """Read what was chosen on development documents after training: `clinical_logits_less` and `temperature`."""
    return json.loads((checkpoint / _RECORD).read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def gather(corpora: Path, notes: Path) -> list[Document]:
    """Training documents: case reports, sentences about adverse events, notes, and synthetic text."""
    rng = random.Random(_SEED)
    reports = sources.case_reports(corpora, "train")
    products = read_products(corpora / "drugs/drugsatfda_Products.txt")
    diseases = list(jsonl.read(corpora / "bc5cdr/bc5cdr_train.jsonl"))
    made = documents(products, sources.words(reports, diseases), seed=_SEED, count=_SYNTHETIC)
    synthetic = [
        Document(f"synthetic/{number}", text, tuple(Entity(*entity) for entity in entities))
        for number, (text, entities) in enumerate(made)
    ]
    names = sorted({write_name(product, rng) for product in products})
    written = [renamed(note, names, rng) for note in _WRITTEN * written_notes()]
    real = _NOTES * annotated_notes(corpora, notes, "training")
    texts = [
        *_whole_and_cut(_REPORTS * reports, rng),
        *sources.adverse_events(corpora, "train"),
        *_whole_and_cut([*written, *real], rng),
        *synthetic,
    ]
    return [relined(document, rng) for document in texts]


def _whole_and_cut(texts: Sequence[Document], rng: random.Random) -> Iterator[Document]:
    """Every other document whole, the others in pieces of any length."""
    for number, document in enumerate(texts):
        yield from pieces(document, rng) if number % 2 else (document,)


def development(corpora: Path, annotations: Path, notes: Path) -> dict[str, list[Document]]:
    """Development documents by group: annotated notes, annotated medication lines, adverse events."""
    return {
        "notes": annotated_notes(corpora, notes, "development"),
        "lines": sources.medication_lines(corpora, annotations, "development"),
        "events": sources.adverse_events(corpora, "dev"),
    }
