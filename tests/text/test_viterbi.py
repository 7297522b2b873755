"""A CRF's path is the best there is, over the whole note, one step for each word."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.text.decode import Words, softmax
from clinspan.text.encoding import NO_WORD
from clinspan.text.viterbi import Crf, first_rows, label_words, viterbi

# Whole numbers: sums are exact, so that equal paths are equal.
NUMBER = st.integers(-4, 4).map(float)


def crf_of(numbers: list[float], c: int) -> Crf:
    """Tables of c labels from (c + 2) * c numbers."""
    table = np.array(numbers).reshape(c + 2, c)
    return Crf(table[:c], table[c], table[c + 1])


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, Crf]:
    c, t = draw(st.integers(1, 4)), draw(st.integers(0, 5))
    rows = draw(st.lists(NUMBER, min_size=c * t, max_size=c * t))
    numbers = draw(st.lists(NUMBER, min_size=(c + 2) * c, max_size=(c + 2) * c))
    return np.array(rows, dtype=np.float32).reshape(t, c), crf_of(numbers, c)


def slow_viterbi(emissions: np.ndarray, crf: Crf) -> list[int]:
    """Try every path; of equal ones the first by its labels read from the end."""
    t, c = emissions.shape

    def total(path: tuple[int, ...]) -> float:
        steps = sum(float(crf.transitions[a, b]) for a, b in pairwise(path))
        ends = float(crf.start_transitions[path[0]] + crf.end_transitions[path[-1]])
        return ends + steps + sum(float(emissions[i, label]) for i, label in enumerate(path))

    paths: list[tuple[int, ...]] = [tuple(path) for path in product(range(c), repeat=t)]
    best = sorted(paths, key=lambda path: (-total(path) if t else 0.0, path[::-1]))[0]
    return list(best)


@given(problems())
def test_the_path_is_the_best_of_all_paths(problem: tuple[np.ndarray, Crf]) -> None:
    """Held to a twin that adds up every path there is."""
    emissions, crf = problem
    assert viterbi(emissions, crf).tolist() == slow_viterbi(emissions, crf)


def test_a_long_note_does_not_wash_small_differences_out() -> None:
    """After 20,000 words the sum is large, and the last word's label still follows its own logits."""
    emissions = np.full((20_000, 2), 900.0, dtype=np.float32)
    emissions[:, 1] += np.float32(1e-3)
    assert viterbi(emissions, Crf(np.zeros((2, 2)), np.zeros(2), np.zeros(2))).min() == 1


@pytest.mark.parametrize("cut", range(8))
def test_windows_make_no_difference_to_the_path_wherever_they_are_cut(cut: int) -> None:
    """Also where the cut divides a word, which is one step by its first token, and at a token of no word."""
    random = np.random.default_rng(cut)
    word_ids = np.array([0, 0, 1, NO_WORD, 2, 2, 2, 3], dtype=np.int32)
    logits = random.normal(size=(8, 3)).astype(np.float32)
    crf = crf_of(random.normal(size=15).tolist(), 3)
    parts = [
        first_rows(logits[:cut], word_ids[:cut]),
        Words.empty(),
        first_rows(logits[cut:], word_ids[cut:], start=cut),
    ]
    (words,) = label_words(parts, word_ids, crf)
    assert words.first.tolist() == [0, 2, 4, 7]
    assert words.last.tolist() == [1, 2, 6, 7]
    rows = logits[[0, 2, 4, 7]]
    assert words.labels.tolist() == slow_viterbi(rows, crf)
    assert np.array_equal(words.scores, softmax(rows)[range(4), words.labels])


def test_a_note_without_words_has_no_path() -> None:
    """No window, or windows whose tokens are of no word."""
    crf = Crf(np.zeros((3, 3)), np.zeros(3), np.zeros(3))
    nothing = np.full(2, NO_WORD, dtype=np.int32)
    assert label_words([], nothing, crf) == []
    assert label_words([first_rows(np.zeros((2, 3), np.float32), nothing)], nothing, crf) == []
