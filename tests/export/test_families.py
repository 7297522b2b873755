"""The promises of spans, on tokenizers of every family."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.export.pipeline_pairs import Pair
from tests.test_recognizer import check_spans
from tests.text.test_tokenizer import NOTES

from clinspan.text.decode import AGGREGATIONS, Aggregation

pytestmark = pytest.mark.export


@pytest.mark.parametrize("family", ["wordpiece", "byte_bpe", "unigram"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(note=NOTES, aggregation=st.sampled_from(AGGREGATIONS))
def test_spans_of_any_text_are_exact(
    tiny_pair: Callable[..., Pair], family: str, note: str, aggregation: Aggregation
) -> None:
    """Random weights label everything, so every character is at the edge of some span."""
    check_spans(note, tiny_pair(family).recognizer.recognize(note, aggregation=aggregation))


@pytest.mark.parametrize("family", ["wordpiece", "byte_bpe", "unigram"])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_windows_of_line_breaks_alone_are_no_trouble(
    tiny_pair: Callable[..., Pair], family: str, aggregation: Aggregation
) -> None:
    """A thousand empty lines in the middle of a note."""
    note = "pain" + "\n\t" * 1000 + "fever"
    check_spans(note, tiny_pair(family).recognizer.recognize(note, aggregation=aggregation))
