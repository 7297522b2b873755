"""Recognizers that cost next to nothing: an embedding table and a projection behind real tokenizers."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from tests.support import bundles, example_notes, small_tokenizers

from clinspan import LoadOptions, Recognizer

FAMILIES = {
    "wordpiece": small_tokenizers.wordpiece,
    "wordpiece-cased": lambda texts: small_tokenizers.wordpiece(texts, lowercase=False),
    "byte-bpe": small_tokenizers.byte_bpe,
    "unigram": small_tokenizers.unigram,
}
_MEMORY = Path("/dev/shm")  # files that are written a hundred thousand times
WINDOWS = ((190, 0), (64, 0), (40, 16), (24, 7))
NARROW_WINDOWS = ((8, 0), (7, 3), (2, 1), (1, 0))


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="clinspan-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)


def scratch() -> Path:
    """A folder for the files of this process; gone when it ends."""
    return Path(_folder().name)


@cache
def bundle(family: str) -> Path:
    """A bundle with a tokenizer of a family."""
    return bundles.bundle(scratch() / family, FAMILIES[family](example_notes.texts()))


@cache
def recognizer(family: str, window: int = 190, overlap: int = 0, *, reuse: int = 0) -> Recognizer:
    """A recognizer on one thread."""
    return Recognizer.load(
        bundle(family), threads=1, window=window, overlap=overlap, options=LoadOptions(reuse=reuse)
    )
