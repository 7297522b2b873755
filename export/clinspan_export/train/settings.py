"""How to fine-tune, and the outcome; apart from the training itself, so that reading them does not import torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clinspan.errors import InputError


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to fine-tune.

    Attributes:
        epochs: most passes over the documents.
        learning_rate: highest rate of the schedule.
        batch_tokens: tokens that a step reads, padding included.
        window: tokens that a row reads, special tokens not counted.
        warmup: share of all steps in which the rate rises.
        patience: epochs without a better development F1 that end the training.
        average: decay of the running mean of the weights, which is measured and saved; 0 for the weights themselves.
        seed: of the classifier's first weights, dropout and the order of batches.
        line_ends: give the tokenizer a token for the line end, where it drops them: lists and headings of notes are lines.

    Raises:
        InputError: a number is out of range.
    """

    epochs: int = 10
    learning_rate: float = 1e-4
    batch_tokens: int = 3072
    window: int = 190
    warmup: float = 0.1
    patience: int = 3
    average: float = 0.0
    seed: int = 0
    line_ends: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_tokens", "window", "patience"):
            at_least_one(name, getattr(self, name))
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}: expected a number above 0")
        if not (0 <= self.warmup <= 1 and 0 <= self.average < 1 and self.seed >= 0):
            raise InputError(
                "expected a warmup from 0 to 1, an average from 0 to below 1, and a seed of 0 or more"
            )


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """The best epoch (from 1), its score, and the score of every epoch that ran."""

    best_epoch: int
    best_score: float
    scores: tuple[float, ...]


def at_least_one(name: str, value: int) -> None:
    """Refuse a count below 1.

    Raises:
        InputError: it is below 1; the message gives its name.
    """
    if value < 1:
        raise InputError(f"{name} is {value}: expected 1 or more")
