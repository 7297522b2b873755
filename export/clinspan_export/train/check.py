"""Check whether annotated documents can be trained on, and whether they keep AutoML's documented limits.

A document that cannot be trained on is an error, with its line. A limit of AutoML entity extraction that is not kept is
a warning: training works all the same, and the limits are good advice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clinspan.documents.annotated import line_format, read_annotated
from clinspan.documents.document import Document
from clinspan.documents.formats import automl, jsonl
from clinspan.errors import InputError
from clinspan.strict_json import parse_object
from clinspan.textfiles import read_lines

DOCUMENTS = (50, 100_000)
LABELS = (1, 100)
LABEL_LENGTH = (2, 30)
WORDS = 10
USES = 200
BYTES = (10, 10_000)


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a check; `errors` stand in the way of training, `warnings` do not."""

    documents: int
    entities: int
    labels: tuple[str, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def check(path: str | Path, *, format: str | None = None) -> Findings:
    """Check annotated documents.

    Args:
        path: as in `read_annotated`.
        format: as in `read_annotated`.

    Raises:
        InputError: there is nothing at `path`, or its format cannot be told.
    """
    path = Path(path)
    errors: list[str] = []
    warnings: list[str] = []
    documents = 0
    uses: Counter[str] = Counter()
    for where, outcome in _documents(path, format):
        if isinstance(outcome, InputError):
            errors.append(str(outcome))
            continue
        documents += 1
        uses.update(entity.label for entity in outcome.entities)
        warnings.extend(_of_document(outcome, where))
    if not documents and not errors:
        errors.append(f"{path}: no document")
    if documents and not uses:
        errors.append(f"{path}: no annotation in any document, nothing to learn")
    warnings.extend(_of_whole(documents, uses))
    return Findings(documents, uses.total(), tuple(sorted(uses)), tuple(errors), tuple(warnings))


def _documents(path: Path, format: str | None) -> Iterator[tuple[str, Document | InputError]]:
    """Each document, or the error in its place, with where it stands."""
    if path.suffix in (".jsonl", ".json") and path.is_file() and format in (None, "automl", "jsonl"):
        for number, (where, line) in enumerate(read_lines(path), start=1):
            if line.strip():
                yield where, _attempt(line, where, number, path.parent, format)
        return
    try:
        for document in read_annotated(path, format=format):
            yield f"{path}, document {document.id}", document
    except InputError as error:
        yield str(path), error


def _attempt(line: str, where: str, number: int, folder: Path, format: str | None) -> Document | InputError:
    try:
        row = parse_object(line, where)
        if (line_format(row) if format is None else format) == "jsonl":
            return jsonl.parse(row, where, str(number))
        return automl.parse(row, where, str(number), folder)
    except InputError as error:
        return error


def _of_document(document: Document, where: str) -> Iterator[str]:
    size = len(document.text.encode("utf-8", "surrogatepass"))
    if not BYTES[0] <= size <= BYTES[1]:
        yield f"{where}: {size:,} bytes of text, AutoML took {BYTES[0]:,} to {BYTES[1]:,}"
    for entity in document.entities:
        words = len(document.text[entity.start : entity.end].split())
        if words > WORDS:
            yield f"{where}: annotation {entity.start} to {entity.end} has {words} words, AutoML took at most {WORDS}"


def _of_whole(documents: int, uses: Counter[str]) -> Iterator[str]:
    if not DOCUMENTS[0] <= documents <= DOCUMENTS[1]:
        yield f"{documents:,} documents, AutoML took {DOCUMENTS[0]:,} to {DOCUMENTS[1]:,}"
    if len(uses) > LABELS[1]:
        yield f"{len(uses)} labels, AutoML took {LABELS[0]} to {LABELS[1]}"
    for label, count in sorted(uses.items()):
        if not LABEL_LENGTH[0] <= len(label) <= LABEL_LENGTH[1]:
            yield f"label {label}: {len(label)} characters, AutoML took {LABEL_LENGTH[0]} to {LABEL_LENGTH[1]}"
        if count < USES:
            yield f"label {label}: used {count:,} times, AutoML advised {USES} or more"
