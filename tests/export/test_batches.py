"""The batches that a GPU gets, run on CPU in fp32, where padding changes nothing but the last bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from clinspan import Recognizer

pytestmark = pytest.mark.export


def test_padded_batches_give_the_spans_of_lone_windows(
    tiny_pair: Callable[..., object], notes: list[str]
) -> None:
    """Labels, starts and ends equal; scores to 1e-4."""
    recognizer: Recognizer = tiny_pair().recognizer  # type: ignore[attr-defined]
    alone = list(recognizer.pipe(notes))
    recognizer._runner._batch_tokens = 500
    batched = list(recognizer.pipe(notes))
    assert sum(map(len, alone)) > 20
    for one, other in zip(alone, batched, strict=True):
        assert [(s.label, s.start, s.end) for s in one] == [(s.label, s.start, s.end) for s in other]
        np.testing.assert_allclose([s.score for s in one], [s.score for s in other], atol=1e-4)
