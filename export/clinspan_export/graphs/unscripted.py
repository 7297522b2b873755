"""Trace a model without its scripted functions: TorchScript puts branches into a graph, and the runtime allows none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def unscripted(model: Any) -> Iterator[None]:
    """Put the Python functions that a model's modules scripted (`torch.jit.script`) back while it is traced.

    DeBERTa's relative positions are such functions. Their branches depend on settings alone, so a trace decides them
    once; the comparison with PyTorch over lengths and batches holds the result to the original.
    """
    import torch

    replaced: list[tuple[Any, str, Any]] = []
    for module in {sys.modules[type(part).__module__] for part in model.modules()}:
        for name, value in vars(module).copy().items():
            original = getattr(value, "_torchdynamo_inline", None)
            if isinstance(value, torch.jit.ScriptFunction) and original is not None:
                replaced.append((module, name, value))
                setattr(module, name, original)
    try:
        yield
    finally:
        for module, name, value in replaced:
            setattr(module, name, value)
