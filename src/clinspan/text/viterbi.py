"""Logits + a CRF's tables -> words: the labels that go together best over a whole note. Pure, as `decode.py`.

Two steps, as there. `first_rows` runs per window and keeps the logits of each word's first token. `label_words` runs
once per note, so that the path of labels crosses the ends of windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from clinspan.text.decode import Words, read_words, softmax

# Takes the place of an aggregation in the manifest of a model with a CRF.
CRF = "crf"
# As large as pytorch's numbers are, so that no sum over a note overflows.
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class Crf:
    """The tables of a linear-chain CRF over c labels, under the names that pytorch-crf gives them.

    Attributes:
        transitions: float64 (c, c), score of going from label (row) to label (column).
        start_transitions, end_transitions: float64 (c,), score of a note's first and last label.
    """

    transitions: npt.NDArray[np.float64]
    start_transitions: npt.NDArray[np.float64]
    end_transitions: npt.NDArray[np.float64]

    def fits(self, labels: int) -> bool:
        """Tell whether the tables are of finite numbers (of float32's range), for this many labels."""
        tables = (self.transitions, self.start_transitions, self.end_transitions)
        shapes = [table.shape for table in tables] == [(labels, labels), (labels,), (labels,)]
        return shapes and all(bool((np.abs(table) <= _LARGEST).all()) for table in tables)


def viterbi(emissions: npt.NDArray[np.float32], crf: Crf) -> npt.NDArray[np.int32]:
    """Find the path of labels with the highest sum of emissions and transitions (Viterbi 1967).

    Of equal paths it is the one whose last label has the lowest number, then the label before it, and so on.

    Args:
        emissions: float32 (t, c), the model's logits of t words.
        crf: for the same c labels.

    Returns:
        The label of each word, int32 (t,).
    """
    path = np.zeros(len(emissions), dtype=np.int32)
    if len(emissions) == 0:
        return path
    # float64: the sum grows with the note, and float32 would round small differences away.
    rows = emissions.astype(np.float64)
    came_from = np.zeros(rows.shape, dtype=np.int32)
    score = crf.start_transitions + rows[0]
    columns = np.arange(rows.shape[1])
    for t in range(1, len(rows)):
        through = score[:, None] + crf.transitions
        came_from[t] = through.argmax(axis=0)
        score = through[came_from[t], columns] + rows[t]
    path[-1] = (score + crf.end_transitions).argmax()
    for t in range(len(rows) - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    return path


def first_rows(logits: npt.NDArray[np.float32], word_ids: npt.NDArray[np.int32], *, start: int = 0) -> Words:
    """Read the words of a run of tokens and keep the logits of each one's first token; `label_words` labels them.

    Args:
        logits: float32 (t, c).
        word_ids: int32 (t,), as in `read_words`.
        start: number of the first of these tokens in the note.
    """
    words = read_words(logits, word_ids, "first", start=start)
    return replace(words, emissions=logits[words.first - start])


def label_words(words: Sequence[Words], word_ids: npt.NDArray[np.int32], crf: Crf) -> list[Words]:
    """Label all words of a note by the best path through it.

    A word that a window's end divides is one step of the path, by its first token.

    Args:
        words: from `first_rows`, of all windows, in order.
        word_ids: int32 (n,), of the note's tokens.
        crf: for the model's labels.

    Returns:
        The words with their labels; the score is the softmax of a word's logits, as without a CRF.
    """
    rows = [w.emissions for w in words if w.emissions is not None and len(w.first)]
    if not rows:
        return []
    emissions = np.concatenate(rows)
    first, last = np.concatenate([w.first for w in words]), np.concatenate([w.last for w in words])
    begin = np.flatnonzero(np.append(True, word_ids[first[1:]] != word_ids[first[:-1]]))
    emissions, first, last = emissions[begin], first[begin], last[np.append(begin[1:], len(last)) - 1]
    labels = viterbi(emissions, crf)
    scores = softmax(emissions)[np.arange(len(labels)), labels]
    return [Words(first, last, labels, scores)]
