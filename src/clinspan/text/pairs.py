"""Two texts read as one: which special tokens stand around and between them, and how a pair is cut where that is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PairIds:
    """Token ids of two texts that a model reads together, int32 (t,) each, without special tokens."""

    first: Ids
    second: Ids

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def tobytes(self) -> bytes:
        """The ids as bytes, different for every pair."""
        return len(self.first).to_bytes(8, "little") + self.first.tobytes() + self.second.tobytes()


@dataclass(frozen=True, slots=True)
class PairFrame:
    """The special tokens of a pair, int64 each, and the type ids of its parts.

    Attributes:
        prefix, middle, suffix: before the first text, between the two, and after the second.
        types: type id of the prefix, the first text, the middle, the second text and the suffix.
    """

    prefix: npt.NDArray[np.int64]
    middle: npt.NDArray[np.int64]
    suffix: npt.NDArray[np.int64]
    types: tuple[npt.NDArray[np.int64], int, npt.NDArray[np.int64], int, npt.NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.prefix) + len(self.middle) + len(self.suffix)

    def join(self, pair: PairIds) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Ids and type ids of a pair with its special tokens, int64 (t,) each."""
        before, first, between, second, after = self.types
        ids = np.concatenate([self.prefix, pair.first, self.middle, pair.second, self.suffix])
        types = [before, np.full(len(pair.first), first), between, np.full(len(pair.second), second), after]
        return ids, np.concatenate(types)


def longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Tokens that stay of two texts when the longer one is cut first, as transformers' `truncation=True` does.

    >>> longest_first(10, 700, 500)
    (10, 490)
    >>> longest_first(400, 700, 501)
    (250, 251)
    """
    if first + second <= room:
        return first, second
    short, long = sorted((first, second))
    long = max(short, room - short)
    if short + long > room:
        short = room // 2
        long = short + room % 2
    return (short, long) if first <= second else (long, short)
