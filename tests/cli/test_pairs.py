"""Pairs such as OLD=NEW on a command line."""

from __future__ import annotations

import pytest

from clinspan.cli.pairs import split_pairs
from clinspan.errors import InputError


def test_a_pair_is_split_at_its_last_equals_sign() -> None:
    """A label may have an equals sign of its own; the new name may not."""
    pairs = split_pairs(["DRUG=TREATMENT", "a=b=c"], "--map", "FOUND=ANNOTATED")
    assert pairs == {"DRUG": "TREATMENT", "a=b": "c"}


@pytest.mark.parametrize("value", ["DRUG", "DRUG=", "=DRUG", ""])
def test_half_a_pair_is_refused_with_its_option(value: str) -> None:
    """The message names the option, the value and the form that it takes."""
    with pytest.raises(InputError, match=f"^--map {value}: expected FOUND=ANNOTATED$"):
        split_pairs([value], "--map", "FOUND=ANNOTATED")
