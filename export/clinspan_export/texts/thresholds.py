"""Choose for each label the score from which it counts, on development texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# With fewer texts that carry a label, its own best threshold is chance: it takes the one that is best for all.
LEAST_TEXTS = 10

Floats = npt.NDArray[np.float32]
Truth = npt.NDArray[np.bool_]


def choose_thresholds(scores: Floats, truth: Truth, names: Sequence[str]) -> dict[str, float]:
    """The threshold of each label: that of its best F1, or where it is rare the one of the best micro F1 of all.

    Args:
        scores: float32 (n, c), in [0, 1].
        truth: bool (n, c), which labels the n texts carry.
        names: the c labels.
    """
    common = best_threshold(scores, truth)[0]
    return {
        name: common if truth[:, at].sum() < LEAST_TEXTS else best_threshold(scores[:, at], truth[:, at])[0]
        for at, name in enumerate(names)
    }


def best_threshold(scores: Floats, truth: Truth) -> tuple[float, float]:
    """The threshold of the best F1 over all scores together, and that F1; 0.5 where nothing is true.

    It lies midway between two neighbouring scores.
    """
    flat, right = scores.ravel(), truth.ravel()
    if not right.any():
        return 0.5, 0.0
    order = np.argsort(-flat, kind="stable")
    ranked, hits = flat[order].astype(np.float64), np.cumsum(right[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + right.sum())
    # A threshold cannot part equal scores.
    last = np.append(ranked[1:] < ranked[:-1], True)
    best = int(np.argmax(np.where(last, f1, -1)))
    after = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return round(float(ranked[best] + after) / 2, 6), float(f1[best])
