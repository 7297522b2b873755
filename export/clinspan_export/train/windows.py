"""Cut annotated documents into rows of token ids with, for every token, the classes that may be right.

A token's loss is the negative logarithm of the probability that its allowed classes hold together. Inside an entity one
class is allowed. Outside, O is, and with it every class of a label that the document's annotators did not look for:
the absence of a label that nobody looked for proves nothing. Tokens that do not start a word carry no loss, as the runtime takes a
word's label from its first subword.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clinspan.bundle.hub_folder import max_content_tokens
from clinspan.bundle.manifest import DEFAULT_WINDOW
from clinspan.documents.document import Document
from clinspan.errors import InputError
from clinspan.pipeline import Cutting, tokenize, window_ids
from clinspan.text.encoding import Encoding
from clinspan.text.tokenizer import Tokenizer
from clinspan_export.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One window of t tokens, special tokens included, over c classes.

    Attributes:
        ids: int64 (t,).
        allowed: bool (t, c), all False where a token carries no loss.
    """

    ids: NDArray[np.int64]
    allowed: NDArray[np.bool_]


def bio_classes(labels: Sequence[str]) -> list[str]:
    """List the classes of a BIO scheme, O first, in the order of `labels`."""
    classes = ["O"]
    for label in labels:
        classes += [f"B-{label}", f"I-{label}"]
    return classes


def encode(
    documents: Iterable[Document], tokenizer: Tokenizer, labels: Sequence[str], *, window: int
) -> list[TrainingRow]:
    """Tokenize documents and cut them, as the runtime does, into windows of at most `window` tokens.

    Raises:
        InputError: a document has an entity whose label is not in `labels`.
    """
    rows: list[TrainingRow] = []
    for document in documents:
        check_known(document, labels)
        note = tokenize(document.text, tokenizer, Cutting(window))
        allowed = _allowed(document, _words(note.encoding), labels)
        frame = (len(tokenizer.prefix), len(tokenizer.suffix)), (0, 0)
        for planned in note.windows:
            ids = tokenizer.frame(window_ids(note, planned))
            rows.append(TrainingRow(ids, np.pad(allowed[planned.start : planned.stop], frame)))
    return rows


def token_windows(loaded: Checkpoint, notes: Iterable[str]) -> Iterator[NDArray[np.int64]]:
    """Cut notes as the runtime does by default; yields token ids, int64 (t,), special tokens included.

    Args:
        loaded: gives the tokenizer, which the runtime reads in its own way, and the longest window.
        notes: text, read as far as windows are asked for.
    """
    own = Tokenizer(Path("tokenizer.json"), loaded.tokenizer.backend_tokenizer.to_str().encode("utf-8"))
    cutting = Cutting(min(DEFAULT_WINDOW, max_content_tokens(loaded.model.config.to_dict())))
    for note in notes:
        tokenized = tokenize(note, own, cutting)
        for window in tokenized.windows:
            yield own.frame(window_ids(tokenized, window))


def check_known(document: Document, labels: Sequence[str]) -> None:
    """Refuse a document with a label that the model will not have.

    Raises:
        InputError: an entity's label is not in `labels`.
    """
    for entity in document.entities:
        if entity.label not in labels:
            raise InputError(
                f"document {document.id} has an entity labelled {entity.label}: expected {', '.join(labels)}"
            )


def _words(encoding: Encoding) -> NDArray[np.int32]:
    """For the first token of each word, the word's start and end; zeros for the other tokens."""
    ids = encoding.word_ids
    first = np.ones(len(ids), dtype=np.bool_)
    first[1:] = ids[1:] != ids[:-1]
    last = np.append(first[1:], True)[: len(ids)]
    words = np.zeros_like(encoding.offsets)
    words[first, 0], words[first, 1] = encoding.offsets[first, 0], encoding.offsets[last, 1]
    return words


def _allowed(document: Document, words: NDArray[np.int32], labels: Sequence[str]) -> NDArray[np.bool_]:
    allowed = np.zeros((len(words), 1 + 2 * len(labels)), dtype=np.bool_)
    starts = words[:, 1] > words[:, 0]
    allowed[starts, 0] = True
    for number, label in enumerate(labels):
        if document.labels is not None and label not in document.labels:
            allowed[starts, 1 + 2 * number : 3 + 2 * number] = True
    for entity in document.entities:
        inside = np.flatnonzero(starts & (words[:, 0] < entity.end) & (words[:, 1] > entity.start))
        begin = 1 + 2 * labels.index(entity.label)
        allowed[inside] = False
        allowed[inside[:1], begin] = True
        allowed[inside[1:], begin + 1] = True
    return allowed
