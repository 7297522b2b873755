"""The story of a note, top to bottom: tokens, windows, logits, words, spans.

Logits come from a callable, so that the runtime, the exporter's comparisons and training all tell this one story.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.engine.calls import Waiting
from clinspan.errors import InputError
from clinspan.text.decode import LabelTable, Span, Threshold, Words, read_words, score_limits, spans
from clinspan.text.encoding import Encoding
from clinspan.text.tokenizer import Tokenizer
from clinspan.text.viterbi import CRF, Crf, first_rows, label_words
from clinspan.text.whole_words import whole_words
from clinspan.text.windows import Window, plan

Ids = npt.NDArray[np.int32]
Logits = npt.NDArray[np.float32]

# Gives the logits of a window's tokens, float32 (t, c), for their ids, int32 (t,), without special tokens.
RunWindow = Callable[[Ids], Logits]


@dataclass(frozen=True, slots=True)
class Cutting:
    """How notes are cut into windows: `window` and `overlap` in tokens, and whether windows end at `sections`."""

    window: int
    overlap: int = 0
    sections: bool = False


@dataclass(frozen=True, slots=True)
class TokenizedNote:
    """A note ready to be run: its text, its tokens, its windows (none without tokens), its number among those of a call."""

    text: str
    encoding: Encoding
    windows: Sequence[Window]
    number: int = 0


def find_spans(
    note: str,
    tokenizer: Tokenizer,
    run: RunWindow,
    cutting: Cutting,
    table: LabelTable,
    *,
    aggregation: str,
    crf: Crf | None = None,
) -> list[Span]:
    """Find the entities of a note: the whole story, one window after the other."""
    tokenized = tokenize(note, tokenizer, cutting)
    words = []
    for window in tokenized.windows:
        logits = run(window_ids(tokenized, window))
        words.append(window_words(tokenized, window, logits, aggregation))
    return note_spans(tokenized, words, table, crf=crf)


def tokenize(
    note: str,
    tokenizer: Tokenizer,
    cutting: Cutting,
    *,
    number: int = 0,
    between: Callable[[], None] = lambda: None,
) -> TokenizedNote:
    """Turn a note into tokens and plan its windows; `between` is called before each piece of a long note."""
    encoding = tokenizer.encode(note, between=between)
    windows = plan(encoding.cuts, window=cutting.window, overlap=cutting.overlap, sections=cutting.sections)
    return TokenizedNote(note, encoding, windows, number)


def window_ids(note: TokenizedNote, window: Window) -> Ids:
    """Ids of the tokens that a window reads, int32 (t,)."""
    return note.encoding.ids[window.start : window.stop]


def own_logits(window: Window, logits: Logits) -> Logits:
    """Logits of the tokens that a window owns, float32 (own, c), from those that it reads, float32 (t, c)."""
    return logits[window.own_start - window.start : window.own_stop - window.start]


def window_words(note: TokenizedNote, window: Window, logits: Logits, aggregation: str) -> Words:
    """Words that a window owns, from the logits of all tokens that it reads, float32 (t, c)."""
    word_ids, own = note.encoding.word_ids[window.own_start : window.own_stop], own_logits(window, logits)
    if aggregation == CRF:
        return first_rows(own, word_ids, start=window.own_start)
    return read_words(own, word_ids, aggregation, start=window.own_start)


def stitch(parts: Sequence[Logits], classes: int) -> Logits:
    """Join the owned logits of a note's windows, float32 (own, c) each, into float32 (n, classes)."""
    return np.concatenate(parts) if parts else np.zeros((0, classes), np.float32)


def note_spans(
    note: TokenizedNote,
    words: Sequence[Words],
    table: LabelTable,
    threshold: Threshold = 0.0,
    *,
    whole: bool = False,
    crf: Crf | None = None,
) -> list[Span]:
    """Spans of a note from the words of all its windows, in order.

    With `whole`, none has an edge inside a word. With a CRF, that decides the words' labels, here and only here.
    """
    if crf is not None:
        words = label_words(words, note.encoding.word_ids, crf)
    if not whole:
        return spans(note.text, note.encoding, words, table, threshold=threshold)
    limits = dict(zip(table.names, score_limits(threshold, table.names), strict=True))
    found = whole_words(note.text, spans(note.text, note.encoding, words, table))
    return [span for span in found if span.score >= limits[span.label]]


# A window of a note; None in place of a note without tokens, which still has its turn.
Job = tuple[TokenizedNote, Window | None]


def jobs(notes: Iterable[TokenizedNote]) -> Iterator[Job]:
    """The windows of notes, in order, drawn as they are needed."""
    for note in notes:
        for window in note.windows or (None,):
            yield note, window


def job_ids(job: Job) -> Ids | None:
    """Ids of the tokens that a job's window reads, int32 (t,); None without a window."""
    note, window = job
    return None if window is None else window_ids(note, window)


def job_number(job: Job) -> int:
    """Number of a job's note among those of the call."""
    return job[0].number


def split_pairs(pairs: Iterable[Any], companions: deque[Any]) -> Iterator[Any]:
    """The first of each pair; the second is kept for `with_companions`.

    Raises:
        InputError: one of them is not a pair.
    """
    for number, pair in enumerate(pairs):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError("expected a pair of a text and what comes with it", note=number)
        companions.append(pair[1])
        yield pair[0]


def with_companions(results: Iterable[Any], companions: deque[Any]) -> Iterator[tuple[Any, Any]]:
    """Each result with what came with its note."""
    for result in results:
        yield result, companions.popleft()


def by_note(
    results: Iterable[tuple[Job, Words | None]],
) -> Iterator[tuple[TokenizedNote, list[Words]]]:
    """Gather the words of each note from those of its windows, as soon as its last one is there."""
    words: list[Words] = []
    waiting = Waiting()
    for (note, window), found in results:
        if found is not None:
            words.append(found)
            waiting.window(note.number, len(words), len(note.windows))
        if window is None or window is note.windows[-1]:
            yield note, words
            words = []
