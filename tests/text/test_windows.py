"""Which tokens each run reads and answers for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import slow_twins

from clinspan import InputError
from clinspan.text.windows import plan

CUTS = st.lists(st.sampled_from([-1, -1, 0, 1, 1, 1, 2, 3, 4]), max_size=700)
SIZES = st.tuples(st.integers(1, 200), st.integers(0, 199)).filter(lambda pair: pair[1] < pair[0])


@given(CUTS, SIZES)
def test_every_token_is_owned_by_exactly_one_window(cuts: list[int], sizes: tuple[int, int]) -> None:
    """Owned ranges partition [0, n): nothing is lost and nothing is answered twice."""
    windows = plan(np.array(cuts, dtype=np.int8), window=sizes[0], overlap=sizes[1])
    owned = [token for w in windows for token in range(w.own_start, w.own_stop)]
    assert owned == list(range(len(cuts)))


@given(CUTS, SIZES)
def test_a_window_reads_what_it_owns_and_never_more_than_its_size(
    cuts: list[int], sizes: tuple[int, int]
) -> None:
    """The model's limit holds for every window."""
    for w in plan(np.array(cuts, dtype=np.int8), window=sizes[0], overlap=sizes[1]):
        assert 0 <= w.start <= w.own_start < w.own_stop <= w.stop <= len(cuts)
        assert w.stop - w.start <= sizes[0]


@given(CUTS, SIZES)
def test_the_plan_is_that_of_the_naive_twin(cuts: list[int], sizes: tuple[int, int]) -> None:
    """Cuts fall where the docstring says."""
    window, overlap = sizes
    share = window - overlap if len(cuts) > window else window
    windows = plan(np.array(cuts, dtype=np.int8), window=window, overlap=overlap)
    edges = slow_twins.plan_edges(cuts, share)
    assert [(w.own_start, w.own_stop) for w in windows] == [
        (a, b) for a, b in itertools.pairwise(edges) if b > a
    ]


@given(CUTS, st.integers(41, 200))
def test_a_word_that_fits_is_never_cut(cuts: list[int], window: int) -> None:
    """A cut inside a word happens only where the word alone is longer than a window."""
    for w in plan(np.array(cuts, dtype=np.int8), window=window)[1:]:
        if cuts[w.own_start] == -1:
            assert all(cut == -1 for cut in cuts[w.own_start - window + 1 : w.own_start + 1])


@pytest.mark.parametrize("better", [4, 3, 2, 1], ids=["blank-line", "line-end", "sentence", "space"])
def test_a_cut_prefers_the_better_boundary(better: int) -> None:
    """Blank line, then line end, then sentence end, then space, then the edge of a word."""
    cuts = np.full(150, better - 1, dtype=np.int8)
    cuts[60] = better
    assert plan(cuts, window=100)[0].own_stop == 60


def test_windows_share_what_overlap_says_and_ownership_changes_in_its_middle() -> None:
    """Context on both sides of a change of ownership."""
    first, second = plan(np.zeros(150, dtype=np.int8), window=100, overlap=20)
    assert first.stop - second.start == 20
    assert first.own_stop == second.own_start == second.start + 10


def test_a_note_that_fits_is_one_window() -> None:
    """No cut where none is needed, whatever the overlap."""
    assert len(plan(np.zeros(100, dtype=np.int8), window=100, overlap=40)) == 1


def test_no_tokens_need_no_window() -> None:
    """An empty note has no windows."""
    assert plan(np.zeros(0, dtype=np.int8), window=10) == []


@pytest.mark.parametrize(("window", "overlap"), [(0, 0), (10, 10), (10, -1)])
def test_sizes_that_make_no_plan_are_refused(window: int, overlap: int) -> None:
    """The message says what is allowed."""
    with pytest.raises(InputError, match="expected"):
        plan(np.zeros(5, dtype=np.int8), window=window, overlap=overlap)


@given(st.lists(st.sampled_from([-1, 0, 1, 1, 1, 3, 4]), max_size=600), st.integers(20, 190))
def test_with_sections_windows_still_partition_the_tokens(cuts: list[int], window: int) -> None:
    """Every token is owned once, and no window is longer than it may be."""
    windows = plan(np.array(cuts, dtype=np.int8), window=window, sections=True)
    assert [i for w in windows for i in range(w.own_start, w.own_stop)] == list(range(len(cuts)))
    assert all(0 < w.stop - w.start <= window for w in windows)


def test_a_copied_section_is_cut_as_it_was_before() -> None:
    """Behind a section of a third of a window, cuts no longer depend on what stands before it."""
    section = np.ones(50, dtype=np.int8)
    section[0] = 4
    copied = np.concatenate([section] * 6)

    def behind(length: int) -> set[int]:
        windows = plan(np.concatenate([np.ones(length, np.int8), copied]), window=120, sections=True)
        return {w.start - length for w in windows if w.start >= length + 50}

    assert behind(10) == behind(75) == behind(131) != set()
