"""Anyone's logits between clinspan's tokenizer, windows and decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.peers import Found, Run
from clinspan.bundle.manifest import Bundle
from clinspan.engine.schedule import in_batches
from clinspan.pipeline import (
    Cutting,
    Ids,
    Job,
    Logits,
    TokenizedNote,
    by_note,
    job_ids,
    jobs,
    note_spans,
    tokenize,
    window_words,
)
from clinspan.text.decode import Words, label_table
from clinspan.text.tokenizer import Tokenizer


def in_our_windows(
    bundle: Bundle,
    run: Callable[[Sequence[Ids]], Sequence[Logits]],
    *,
    batch: int = 1,
    cut: Callable[[TokenizedNote], TokenizedNote] = lambda note: note,
) -> Run:
    """Read texts with clinspan's tokenizer, windows and decoding, and anyone's logits.

    Args:
        bundle: whose labels and windows.
        run: from the ids of some windows, int32 (t,) each, to their logits, float32 (t, c) each.
        batch: windows that run at once, of about equal length.
        cut: gives the note other windows.
    """
    tokenizer = Tokenizer(bundle.path / bundle.tokenizer.path, words=bundle.words)
    table = label_table(bundle.labels)

    def tokens(job: Job) -> int:
        ids = job_ids(job)
        return 0 if ids is None else len(ids)

    def several(group: Sequence[Job]) -> list[Words | None]:
        contents = [ids for job in group if (ids := job_ids(job)) is not None]
        logits = iter(run(contents) if contents else [])
        return [None if w is None else window_words(n, w, next(logits), bundle.aggregation) for n, w in group]

    def find(texts: Sequence[str]) -> Found:
        cutting = Cutting(bundle.window, bundle.overlap)
        notes = (cut(tokenize(text, tokenizer, cutting)) for text in texts)
        read = by_note(in_batches(jobs(notes), tokens, several, tokens=batch * bundle.window))
        return [
            [(s.label, s.start, s.end) for s in note_spans(note, words, table, whole=bundle.whole_words)]
            for note, words in read
        ]

    return find
