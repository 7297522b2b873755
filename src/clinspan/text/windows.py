"""Plan which tokens each run of the model reads, and which of them it answers for.

Every token is owned by exactly one window, so stitching copies and never merges. By default windows
share nothing: their cuts lie on boundaries of the text, which measured as accurate as overlapping.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinspan.errors import InputError
from clinspan.options import whole
from clinspan.text.encoding import BLANK_LINE, INSIDE_WORD

# A cut may lie this many tokens before an equal share to fall on a better boundary.
_SEARCH = 40
# With sections, a window ends at the first blank line after this share of it.
_SECTION = 3


@dataclass(frozen=True, slots=True)
class Window:
    """One run of the model: it reads tokens [start, stop) and answers for [own_start, own_stop)."""

    start: int
    stop: int
    own_start: int
    own_stop: int


def plan(
    cuts: npt.NDArray[np.int8], *, window: int, overlap: int = 0, sections: bool = False
) -> list[Window]:
    """Cut n tokens into windows.

    Owned ranges partition [0, n) and are about equally long. A cut takes the best boundary (blank line,
    line end, sentence end, space, edge of a word) among the 40 tokens before an equal share. It falls
    inside a word only where that word alone is longer than a window.

    Args:
        cuts: int8 (n,), `Encoding.cuts`.
        window: most tokens that a window reads, special tokens not counted.
        overlap: tokens that neighbouring windows both read; ownership changes in their middle.
        sections: end a window at the first blank line once it is a third full, so that cuts depend on
            the text nearby alone: after any section that long, a text copied into another note is cut
            as it was before. Windows are shorter for it, so this pays only where they are reused.

    Returns:
        Windows in order; none for n = 0.

    Raises:
        InputError: `window` or `overlap` make no plan.
    """
    check(window, overlap)
    n = len(cuts)
    share = window - overlap if n > window else window
    edges = [0]
    for stop in [*_section_ends(cuts, share), n] if sections else [n]:
        while stop - edges[-1] > share:
            edges.append(_next_cut(cuts[:stop], edges[-1], share))
        edges.append(stop)
    half = overlap // 2
    return [
        Window(_read_start(cuts, a, half), _read_stop(cuts, b, half), a, b)
        for a, b in itertools.pairwise(edges)
        if b > a
    ]


def check(window: int, overlap: int) -> None:
    """Raise InputError where the two make no plan."""
    whole("window", window, least=1, unit="tokens")
    if whole("overlap", overlap, least=0, unit="tokens") >= window:
        raise InputError(f"overlap is {overlap} tokens: expected 0 to {window - 1}, less than the window")


def _section_ends(cuts: npt.NDArray[np.int8], share: int) -> list[int]:
    least = max(1, share // _SECTION)
    ends: list[int] = []
    for blank in np.flatnonzero(cuts == BLANK_LINE).tolist():
        if blank - (ends[-1] if ends else 0) >= least:
            ends.append(blank)
    return ends


def _next_cut(cuts: npt.NDArray[np.int8], start: int, limit: int) -> int:
    remaining = len(cuts) - start
    stop = start + -(-remaining // -(-remaining // limit))
    low = max(start + 1, stop - _SEARCH)
    near = cuts[low : stop + 1]
    best = near.max()
    if best > INSIDE_WORD:
        return low + int(np.flatnonzero(near == best)[-1])
    before = np.flatnonzero(cuts[start + 1 : low] > INSIDE_WORD)
    if len(before):
        return start + 1 + int(before[-1])
    after = np.flatnonzero(cuts[stop + 1 : start + limit + 1] > INSIDE_WORD)
    if len(after):
        return stop + 1 + int(after[0])
    return start + limit


def _read_start(cuts: npt.NDArray[np.int8], own_start: int, half: int) -> int:
    """Context begins with a whole word."""
    start = max(0, own_start - half)
    while start < own_start and cuts[start] == INSIDE_WORD:
        start += 1
    return start


def _read_stop(cuts: npt.NDArray[np.int8], own_stop: int, half: int) -> int:
    """Context ends with a whole word."""
    stop = min(len(cuts), own_stop + half)
    while own_stop < stop < len(cuts) and cuts[stop] == INSIDE_WORD:
        stop -= 1
    return stop
