"""Read the documents of a training, and say before it begins what would be found out only after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clinspan.documents.annotated import read_annotated
from clinspan.documents.document import Document
from clinspan.documents.reading import ReadingRules, what_was_left_out
from clinspan.errors import InputError
from clinspan_export.train.check import warnings_before_training


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The documents of a training, and the labels that they use; `development` may be missing."""

    train: list[Document]
    development: list[Document] | None
    labels: list[str]


def read_training(
    train: str,
    development: str | None,
    format: str | None,
    rules: ReadingRules,
    progress: Callable[[str], None],
) -> TrainingData:
    """Read the documents to train on and those to select the best epoch on.

    Args:
        train: annotated documents, as in `read_annotated`.
        development: the same; None for none.
        format: of both, as in `read_annotated`.
        rules: how they are read.
        progress: told, a line at a time, what was left out and what is odd.

    Raises:
        InputError: a path holds no document or no annotation, or the development documents use other labels.
    """
    documents = read_documents(train, format, rules, progress)
    labels = labels_of(documents)
    if not labels:
        raise InputError(f"{train}: no annotation in any document, nothing to learn")
    selection = None
    if development is not None:
        selection = read_documents(development, format, rules, progress)
        _check_development(development, selection, labels)
    compared = [] if selection is None else selection
    for warning in warnings_before_training(documents, compared, name=str(development)):
        progress(f"warning: {warning}")
    return TrainingData(documents, selection, labels)


def read_documents(
    path: str, format: str | None, rules: ReadingRules, progress: Callable[[str], None]
) -> list[Document]:
    """Read all documents of a path.

    Raises:
        InputError: the path holds no document, or one that cannot be read.
    """
    counting = replace(rules, left_out=type(rules.left_out)())
    documents = list(read_annotated(path, format=format, rules=counting))
    if not documents:
        raise InputError(f"{path}: no document")
    if counting.left_out.total():
        progress(f"warning: {path}: {what_was_left_out(counting.left_out)}")
    return documents


def labels_of(documents: Sequence[Document]) -> list[str]:
    """List the labels that annotations use."""
    labels: set[str] = set()
    for document in documents:
        labels.update(entity.label for entity in document.entities)
    return sorted(labels)


def _check_development(path: str, documents: Sequence[Document], labels: Sequence[str]) -> None:
    """Refuse documents that could not select an epoch: without annotations, or with labels that training never saw."""
    found = labels_of(documents)
    if not found:
        raise InputError(
            f"{path}: no annotation in any document, so that no epoch could be better than another"
        )
    strange = sorted(set(found) - set(labels))
    if strange:
        raise InputError(f"the development documents use labels that training has not: {', '.join(strange)}")
