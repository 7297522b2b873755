"""Pairs of one model in transformers and in clinspan, each made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.export.pipeline_pairs import BIO, Pair, make_pair, write_checkpoint
from tests.support import small_tokenizers


@pytest.fixture(scope="session")
def tiny_pair(tmp_path_factory: pytest.TempPathFactory, notes: list[str]) -> Callable[..., Pair]:
    """Makes a pair from a tokenizer family and labels; each is made once."""
    made: dict[tuple[object, ...], Pair] = {}

    def make(
        family: str = "wordpiece", labels: Sequence[str] = BIO, *, seed: int = 0, always: str | None = None
    ) -> Pair:
        key = (family, tuple(labels), seed, always)
        if key not in made:
            folder = tmp_path_factory.mktemp("tiny")
            backend = getattr(small_tokenizers, family)(notes)
            kind = "bert" if family == "wordpiece" else "roberta"
            checkpoint = write_checkpoint(
                folder / "checkpoint", backend, labels=labels, kind=kind, seed=seed, always=always
            )
            made[key] = make_pair(checkpoint, folder / "bundle")
        return made[key]

    return make


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory, notes: list[str]) -> Path:
    """A checkpoint to export."""
    return write_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint", small_tokenizers.wordpiece(notes))


@pytest.fixture(scope="session")
def real_pair(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A real fine-tuned BERT on both sides."""
    return make_pair(checkpoints / "ptt-minilm-l6", tmp_path_factory.mktemp("real") / "bundle")
