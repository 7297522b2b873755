"""Values that several commands take: pairs such as OLD=NEW, thresholds, encodings."""

from __future__ import annotations

from collections.abc import Sequence

from clinspan.cli.console import UsageError
from clinspan.errors import InputError
from clinspan.text.decode import Threshold
from clinspan.textfiles import encoding_name


def split_pairs(values: Sequence[str], option: str, form: str) -> dict[str, str]:
    """Split values such as OLD=NEW at their last equals sign: labels may have one of their own.

    Args:
        values: what was given.
        option: the option it was given to, for the error.
        form: what the option takes, for the error.

    Raises:
        InputError: a value has no equals sign, or nothing before or after it, or one is given twice.
    """
    pairs: dict[str, str] = {}
    for value in values:
        old, _, new = value.rpartition("=")
        if not old or not new:
            raise InputError(f"{option} {value}: expected {form}")
        if old in pairs:
            raise InputError(
                f"{option} {value}: {old} was given before, as {old}={pairs[old]}: keep one of them"
            )
        pairs[old] = new
    return pairs


def read_threshold(values: Sequence[str]) -> Threshold:
    """Read values of --threshold: one number, or LABEL=number for each label.

    Raises:
        UsageError: a value is neither, or there is a number beside others.
    """
    limits: dict[str, float] = {}
    for value in values:
        label, _, number = value.rpartition("=")
        try:
            limits[label] = float(number)
        except ValueError:
            raise UsageError(f"--threshold {value}: expected a number, or LABEL=number") from None
    if "" in limits and len(limits) > 1:
        raise UsageError("--threshold: give one number, or one for each label")
    return limits.get("", limits) if limits else 0.0


def check_encoding(name: str | None) -> None:
    """Refuse a value of --encoding that Python does not know.

    Raises:
        UsageError: as said.
    """
    try:
        if name is not None:
            encoding_name(name)
    except InputError as error:
        raise UsageError(f"--encoding: {error}") from error
