"""Values that several commands take."""

from __future__ import annotations

import pytest

from clinspan.cli.values import split_pairs
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


def test_a_label_that_is_mapped_twice_is_refused() -> None:
    """The later of two would win silently."""
    with pytest.raises(
        InputError, match=r"^--map DRUG=B: DRUG was given before, as DRUG=A: keep one of them$"
    ):
        split_pairs(["DRUG=A", "DRUG=B"], "--map", "FOUND=ANNOTATED")
