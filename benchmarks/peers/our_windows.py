"""Anyone's logits between clinspan's tokenizer, windows and decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers import Found, Run
from clinspan.bundle.manifest import Bundle
from clinspan.engine.schedule import in_batches
from clinspan.text.decode import label_table, read_words, spans
from clinspan.text.tokenizer import Tokenizer
from clinspan.text.windows import Window, plan

Ids = npt.NDArray[np.int32]
Logits = npt.NDArray[np.float32]


def in_our_windows(
    bundle: Bundle,
    run: Callable[[Sequence[Ids]], Sequence[Logits]],
    *,
    batch: int = 1,
    windows: Callable[..., list[Window]] = plan,
) -> Run:
    """Read texts with clinspan's tokenizer, windows and decoding, and anyone's logits.

    Args:
        bundle: whose labels and windows.
        run: from the ids of some windows, int32 (t,) each, to their logits, float32 (t, c) each.
        batch: windows that run at once, of about equal length.
        windows: plans them.
    """
    tokenizer = Tokenizer(bundle.path / bundle.tokenizer.path)
    table = label_table(bundle.labels)

    def find(texts: Sequence[str]) -> Found:
        encodings = [tokenizer.encode(text) for text in texts]
        words: list[list[Any]] = [[] for _ in texts]
        jobs = []
        for number, encoding in enumerate(encodings):
            planned = windows(encoding.cuts, window=bundle.window)
            jobs += [(number, w, encoding.ids[w.start : w.stop]) for w in planned]
        for (number, w, _), logits in in_batches(
            jobs,
            lambda job: len(job[2]),
            lambda group: run([ids for _, _, ids in group]),
            tokens=batch * bundle.window,
        ):
            word_ids = encodings[number].word_ids[w.start : w.stop]
            words[number].append(read_words(logits, word_ids, "first", start=w.start))
        return [
            [(s.label, s.start, s.end) for s in spans(text, encoding, found, table)]
            for text, encoding, found in zip(texts, encodings, words, strict=True)
        ]

    return find
