"""Pairs such as OLD=NEW on a command line."""

from __future__ import annotations

from collections.abc import Sequence

from clinspan.errors import InputError


def split_pairs(values: Sequence[str], option: str, form: str) -> dict[str, str]:
    """Split values such as OLD=NEW at their last equals sign: labels may have one of their own.

    Args:
        values: what was given.
        option: the option it was given to, for the error.
        form: what the option takes, for the error.

    Raises:
        InputError: a value has no equals sign, or nothing before or after it.
    """
    pairs = {}
    for value in values:
        old, _, new = value.rpartition("=")
        if not old or not new:
            raise InputError(f"{option} {value}: expected {form}")
        pairs[old] = new
    return pairs
