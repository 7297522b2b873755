"""Train a PyTorch model on rows of tokens: batches, tensors, steps. No choice is made on any text: a fixed number of epochs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clinspan_export.train.windows import TrainingRow


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows padded to one length t, and the first tokens of at most w words in each.

    Attributes:
        ids, mask: int64 (b, t).
        first, labels: int64 (b, w), place of each word's first token and the word's label.
        real: bool (b, w), which of them are words.
    """

    ids: Tensor
    mask: Tensor
    first: Tensor
    labels: Tensor
    real: Tensor

    def of_words(self, scores: Tensor) -> Tensor:
        """Take the scores of words' first tokens, float32 (b, w, c), out of those of all tokens, float32 (b, t, c)."""
        return scores[torch.arange(len(scores)).unsqueeze(1), self.first]


def fit(
    groups: Sequence[dict[str, Any]],
    rows: Sequence[TrainingRow],
    loss_of: Callable[[Batch], Tensor],
    *,
    epochs: int,
    padding: int = 0,
) -> None:
    """Train the parameters of some groups, each with its own rate, by AdamW; the rate rises a tenth of the way, then falls."""
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    steps = epochs * sum(1 for _ in _batches(rows, 0))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (0.1 * steps), (steps - step) / steps)
    )
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    for epoch in range(epochs):
        began, losses = time.process_time(), []
        for several in _batches(rows, epoch):
            loss = loss_of(_batch(several, padding))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        spent = time.process_time() - began
        line = f"epoch {epoch + 1}/{epochs}: loss {np.mean(losses):.4f}, {spent:.0f} CPU s"
        print(line, file=sys.stderr, flush=True)


def _batches(rows: Sequence[TrainingRow], epoch: int, tokens: int = 1024) -> Iterator[list[TrainingRow]]:
    """Rows of like length together, at most `tokens` with their padding, in another order each epoch."""
    batches: list[list[TrainingRow]] = [[]]
    for row in sorted(rows, key=lambda row: len(row.ids)):
        if not row.allowed.any():
            continue
        if batches[-1] and (len(batches[-1]) + 1) * len(row.ids) > tokens:
            batches.append([])
        batches[-1].append(row)
    for number in np.random.default_rng(epoch).permutation(len(batches)):
        yield batches[number]


def _batch(several: Sequence[TrainingRow], padding: int) -> Batch:
    wide = max(len(row.ids) for row in several)
    words = [np.flatnonzero(row.allowed.any(axis=1)) for row in several]
    most = max(map(len, words))
    ids, mask = np.full((len(several), wide), padding), np.zeros((len(several), wide), dtype=np.int64)
    first, labels = np.zeros((2, len(several), most), dtype=np.int64)
    real = np.zeros((len(several), most), dtype=np.bool_)
    for number, (row, places) in enumerate(zip(several, words, strict=True)):
        ids[number, : len(row.ids)], mask[number, : len(row.ids)] = row.ids, 1
        first[number, : len(places)], real[number, : len(places)] = places, True
        labels[number, : len(places)] = row.allowed[places].argmax(axis=1)
    return Batch(*map(torch.from_numpy, (ids, mask, first, labels, real)))
