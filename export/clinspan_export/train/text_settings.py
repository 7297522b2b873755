"""How to fine-tune a classifier of texts, and the outcome; apart from the training, so that reading them imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from clinspan.errors import InputError
from clinspan_export.train.settings import at_least_one


@dataclass(frozen=True, slots=True)
class TextSettings:
    """How to fine-tune a classifier of texts.

    Attributes:
        epochs: most passes over the texts.
        learning_rate: highest rate of the schedule.
        batch_tokens: tokens that a step reads, padding included; a longer text is a step of its own.
        window: tokens that a row reads, special tokens not counted.
        warmup: share of all steps in which the rate rises.
        patience: epochs without a better development score that end the training.
        average: decay of the running mean of the weights, which is measured and saved; 0 for the weights themselves.
        class_weights: give rare labels more weight: by the square root of how rare they are.
        seed: of the classifier's first weights, dropout and the order of batches.

    Raises:
        InputError: a number is out of range.
    """

    epochs: int = 10
    learning_rate: float = 1e-4
    batch_tokens: int = 2048
    window: int = 190
    warmup: float = 0.1
    patience: int = 4
    average: float = 0.0
    class_weights: bool = False
    seed: int = 0

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
class TextOutcome:
    """The best epoch (from 1), the score of every epoch that ran, and the thresholds that were chosen."""

    best_epoch: int
    scores: tuple[float, ...]
    thresholds: Mapping[str, float]
