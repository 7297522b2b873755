"""Cue files: plain text that says which words mean what. A user extends or replaces the bundled ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BUNDLED = Path(__file__).with_name("cues")


@dataclass(frozen=True, slots=True)
class CueSet:
    """Cues ready to be looked for."""


def load_cues(*paths: str | Path, bundled: bool = True) -> CueSet:
    """Read cue files of your own, beside the bundled ones or in their place.

    Args:
        paths: text files in the form that the head of `cues/negation.txt` describes.
        bundled: whether the bundled cues count too; False for another language.

    Raises:
        InputError: a file cannot be read, or a line of it is not understood.
    """
    raise NotImplementedError
