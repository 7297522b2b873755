"""Notes to judge a model on: the caller's own, or a few written for this purpose that describe nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinspan.documents.document import Document
from clinspan.documents.formats import jsonl
from clinspan.documents.reading import ReadingRules
from clinspan.textfiles import read_objects
from clinspan_export.errors import ExportError

OWN_SAMPLES = "built-in samples"

SAMPLES: tuple[str, ...] = (
    "Patient presents with chest pain and shortness of breath for 2 days. ECG and troponin were ordered.",
    "CHIEF COMPLAINT: Low back pain.\n\nHISTORY: 61-year-old woman with hypertension, type 2 diabetes and "
    "hyperlipidaemia who fell at home three days ago. Pain is 7/10, worse on bending, without numbness.\n\n"
    "MEDICATIONS:\n1. Metformin 500 mg tablet by mouth twice daily\n2. Lisinopril 10mg PO qd\n"
    "3. Atorvastatin 40 mg at bedtime\n4. Acetaminophen 650 mg q6h prn pain\n",
    "Impression: community-acquired pneumonia, right lower lobe. Started ceftriaxone 1 g IV q24h and "
    "azithromycin 500 mg daily for 5 days. Repeat chest X-ray in 6 weeks.",
    "Labs: Na 138, K 4.1, creatinine 1.4 (baseline 0.9), WBC 12.3, Hgb 9.8 g/dL. Blood cultures x2 drawn. "
    "CT abdomen/pelvis with contrast showed acute uncomplicated appendicitis; laparoscopic appendectomy done.",
    "The patient denies fever, chills, nausea, vomiting or diarrhoea. Mild oedema of both ankles. "
    "No focal neurological deficit. Echocardiogram: ejection fraction 35%, moderate mitral regurgitation.",
    "DISCHARGE INSTRUCTIONS: Take prednisone 40 mg daily for 3 days, then 20 mg daily for 3 days, then stop. "
    "Use albuterol inhaler 2 puffs every 4 hours as needed for wheezing. Return if you are short of breath.",
)


def own_samples() -> list[Document]:
    """Notes written for this purpose, for a caller who gives no others."""
    return [unannotated(f"sample-{number}", text) for number, text in enumerate(SAMPLES, start=1)]


def unannotated(id: str, text: str) -> Document:
    """Make a document from a note that nobody annotated: no label was looked for, so nothing counts in it."""
    return Document(id, text, (), frozenset())


def is_annotated(document: Document) -> bool:
    """Whether annotators looked for any label in a document."""
    return document.labels is None or bool(document.labels)


def read_samples(path: Path) -> list[Document]:
    """Read notes from a folder of .txt files or from a .jsonl file.

    A JSONL line is an object with `text`, perhaps `id`, and perhaps annotations in one of the forms that
    `clinspan.documents.formats.jsonl` reads, such as `entities` or `spans`.

    Raises:
        ExportError: nothing to read, or two notes have one id.
        InputError: a line does not have this form; no message has text of a note.
    """
    try:
        samples = _read_folder(path) if path.is_dir() else _read_jsonl(path)
    except OSError as error:
        raise ExportError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ExportError(f"{path} is not UTF-8: convert it first") from None
    repeated = len(samples) - len({sample.id for sample in samples})
    if repeated:
        raise ExportError(f"{path}: {repeated} notes repeat the id of another; reports need each its own")
    return samples


def check_labels(samples: Sequence[Document], entities: Sequence[str], source: str) -> tuple[str, ...]:
    """List the labels of the annotations that the model does not know, and so cannot be scored on.

    Raises:
        ExportError: annotations and model have no label in common.
    """
    gold: set[str] = set()
    for sample in samples:
        gold.update(entity.label for entity in sample.entities)
    if gold and not gold & set(entities):
        raise ExportError(
            f"the gold in {source} has the labels {', '.join(sorted(gold)[:8])}, and the model has "
            f"{', '.join(entities[:8])}: none in common (--rename gives the model's labels other names)"
        )
    return tuple(sorted(gold - set(entities)))


def _read_folder(folder: Path) -> list[Document]:
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise ExportError(f"{folder} has no .txt notes")
    return [unannotated(file.stem, file.read_text(encoding="utf-8-sig")) for file in files]


def _read_jsonl(path: Path) -> list[Document]:
    rows = enumerate(read_objects(path), start=1)
    samples = [_sample(row, where, str(number)) for number, (where, row) in rows]
    if not samples:
        raise ExportError(f"{path} is empty: expected one JSON object per line")
    return samples


def _sample(row: Mapping[str, Any], where: str, number: str) -> Document:
    document = jsonl.parse(row, where, number, ReadingRules(unannotated="leave-out"))
    found = row.get("id")
    return unannotated(number if found is None else str(found), row["text"]) if document is None else document
