"""A note on its way: its tokens, its windows, and the words that have come back so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from clinspan.errors import InferenceError
from clinspan.text.decode import Words, read_words
from clinspan.text.tokenizer import Encoding
from clinspan.text.windows import Window


@dataclass(slots=True)
class Document:
    """A note being read.

    Attributes:
        number: its place among the notes of a call, from 0.
        note: the text.
        encoding: its tokens.
        windows: in order; none for a note without tokens.
        words: of the windows that have run, in order.
    """

    number: int
    note: str
    encoding: Encoding
    windows: list[Window]
    words: list[Words] = field(default_factory=list)


# A window of a document; None in place of a document without tokens, which still has its place in the order.
Job = tuple[Document, Window | None]


def jobs(documents: Iterator[Document]) -> Iterator[Job]:
    """The windows of documents, in order, drawn as they are needed."""
    for document in documents:
        yield from ((document, window) for window in document.windows or (None,))


def tokens(job: Job) -> int:
    """Tokens that a job reads."""
    _, window = job
    return 0 if window is None else window.stop - window.start


def window_ids(document: Document, window: Window) -> npt.NDArray[np.int32]:
    """Ids of the tokens that a window reads, int32 (t,)."""
    return document.encoding.ids[window.start : window.stop]


def own_logits(window: Window, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Logits of the tokens that a window owns, float32 (own, c), from those that it reads, float32 (t, c)."""
    return logits[window.own_start - window.start : window.own_stop - window.start]


def window_words(document: Document, window: Window, logits: npt.NDArray[np.float32], vote: str) -> Words:
    """Words that a window owns, from the logits of all tokens that it reads, float32 (t, c)."""
    word_ids = document.encoding.word_ids[window.own_start : window.own_stop]
    return read_words(own_logits(window, logits), word_ids, vote, start=window.own_start)


@contextmanager
def named(document: Document) -> Iterator[None]:
    """Put the number of the note, and nothing of its text, into the message of what its run raises."""
    try:
        yield
    except InferenceError as error:
        raise InferenceError(f"note {document.number}: {error}") from error
