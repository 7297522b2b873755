"""PyTorch modules around an encoder: from its tokens to the one answer that goes into the graph, padding left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

LAST_LAYERS = 4
SMALLEST = 1e-9


class Pooled(nn.Module):  # type: ignore[misc]
    """An encoder and what makes a vector of its tokens: int64 (b, t) each, to float32 (b, d)."""

    def __init__(self, model: Any, pooling: Sequence[str], after: Sequence[nn.Module] = ()) -> None:
        """Wrap an encoder.

        Args:
            model: transformers encoder.
            pooling: of `POOLINGS`; the vectors of several are joined.
            after: what follows the pooling, such as a dense layer.
        """
        super().__init__()
        self.model, self.pooling, self.after = model, tuple(pooling), nn.ModuleList(after)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Give the vector of each row."""
        inputs = _inputs(input_ids, attention_mask, token_type_ids)
        layers = "last-four" in self.pooling
        out = self.model(**inputs, **({"output_hidden_states": True} if layers else {}))
        vectors = []
        for name in self.pooling:
            tokens = out.last_hidden_state
            if name == "last-four":
                tokens = torch.stack(out.hidden_states[-LAST_LAYERS:]).mean(0)
            vectors.append(POOLINGS[name](tokens, attention_mask))
        vector = torch.cat(vectors, dim=1) if len(vectors) > 1 else vectors[0]
        for module in self.after:
            vector = module(vector)
        return vector


class Unit(nn.Module):  # type: ignore[misc]
    """Bring vectors to length 1."""

    def forward(self, vector: Tensor) -> Tensor:
        """Divide each row by its length."""
        return vector / vector.norm(dim=1, keepdim=True).clamp(min=1e-12)


def _inputs(ids: Tensor, mask: Tensor, types: Tensor | None) -> dict[str, Tensor]:
    inputs = {"input_ids": ids, "attention_mask": mask}
    return inputs if types is None else {**inputs, "token_type_ids": types}


def _cls(tokens: Tensor, _: Tensor) -> Tensor:
    return tokens[:, 0]


def _mean(tokens: Tensor, mask: Tensor) -> Tensor:
    weights = mask.unsqueeze(-1).to(tokens.dtype)
    return (tokens * weights).sum(1) / weights.sum(1).clamp(min=SMALLEST)


def _max(tokens: Tensor, mask: Tensor) -> Tensor:
    return tokens.masked_fill(mask.unsqueeze(-1) == 0, -1e9).max(1).values


POOLINGS = {"cls": _cls, "mean": _mean, "max": _max, "last-four": _mean}
