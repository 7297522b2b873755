"""Trace a PyTorch model as an fp32 ONNX graph; batch and length stay dynamic. The only module that calls `torch.onnx`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clinspan_export.errors import ExportError, first_line
from clinspan_export.graphs.unscripted import unscripted
from clinspan_export.quiet import quiet

OPSET = 18
# Two rows, one of them padded, so that nothing of the example's shape is taken for a constant.
_EXAMPLE = (2, 9)


class Logits(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A model with a head: ids, mask and perhaps type ids, int64 (b, t) each, to its logits alone, float32."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Give the logits: (b, t, c) of a model for tokens, (b, c) of one for texts."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits
        return logits


def trace(
    module: nn.Module, path: Path, output: str, *, typed: bool, per_token: bool, padding: int | None
) -> None:
    """Write a module's graph with the inputs input_ids, attention_mask and, where it is typed, token_type_ids.

    Args:
        module: takes these inputs in this order, and answers with one tensor.
        path: file to write.
        output: name of the answer.
        typed: the module takes type ids.
        per_token: the answer has a row for each token.
        padding: id that fills up a shorter row; None for 0.

    Raises:
        ExportError: PyTorch could not trace the module.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if typed else [])]
    rows, tokens = {0: "batch"}, {0: "batch", 1: "tokens"}
    axes = {**dict.fromkeys(names, tokens), output: tokens if per_token else rows}
    with ExitStack() as around:
        for context in (quiet(), unscripted(module), _plain_attention(module)):
            around.enter_context(context)
        try:
            torch.onnx.export(
                module,
                _example(typed, padding or 0),
                str(path),
                input_names=names,
                output_names=[output],
                dynamic_axes=axes,
                opset_version=OPSET,
                do_constant_folding=True,
                dynamo=False,
            )
        except OSError:
            raise
        except Exception as error:
            kind = next(part.config.model_type for part in _with_settings(module))
            raise ExportError(
                f"PyTorch could not trace this {kind} model ({type(error).__name__}: {first_line(error)}); "
                "`--exporter optimum` goes another way, for models of entities"
            ) from error


def _example(typed: bool, padding: int) -> tuple[Tensor, ...]:
    rows, length = _EXAMPLE
    ids = torch.full((rows, length), padding, dtype=torch.int64)
    ids[0], ids[1, :5] = 5, 6
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    return (ids, mask, torch.zeros_like(ids)) if typed else (ids, mask)


@contextmanager
def _plain_attention(module: nn.Module) -> Iterator[None]:
    """Let attention be written as products and a softmax while the module is traced.

    PyTorch's own operator becomes the same, and for a mask of booleans two further passes over all pairs of tokens, which
    only matter where a row has no token at all. Models that chose when they were made stay as they are.
    """
    parts = [part for part in _with_settings(module) if part._can_set_attn_implementation()]
    settings = {id(part.config): part.config for part in parts}.values()
    before = [config._attn_implementation for config in settings]
    for config in settings:
        config._attn_implementation = "eager"
    try:
        yield
    finally:
        for config, implementation in zip(settings, before, strict=True):
            config._attn_implementation = implementation


def _with_settings(module: nn.Module) -> list[Any]:
    """The transformers models in a module."""
    from transformers import PreTrainedModel

    return [part for part in module.modules() if isinstance(part, PreTrainedModel)]
