"""Find the neurons and the attention heads of an encoder, and take some of them out."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from clinspan_export.errors import ExportError


@dataclass(frozen=True, slots=True)
class Names:
    """Where an architecture keeps the parts of a layer, as paths of modules below it.

    Attributes:
        enter: matrices whose rows make the units.
        leave: matrix whose columns read them.
        norm: the LayerNorm behind the residual sum; a path that does not exist where the sum is not normalized.
        owner: module that counts its heads, as `heads` and `width`; empty for neurons.
    """

    enter: tuple[str, ...]
    leave: str
    norm: str
    owner: str = ""
    heads: str = "num_attention_heads"
    width: str = "all_head_size"


_NEURONS = (
    Names(("intermediate.dense",), "output.dense", "output.LayerNorm"),
    Names(("ffn.lin1",), "ffn.lin2", "output_layer_norm"),
)
_HEADS = (
    Names(
        ("attention.self.query", "attention.self.key", "attention.self.value"),
        "attention.output.dense",
        "attention.output.LayerNorm",
        "attention.self",
    ),
    Names(
        ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        "attention.attn.o",
        "attention.LayerNorm",
        "attention.attn",
    ),
    Names(
        ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        "attention.out_lin",
        "sa_layer_norm",
        "attention",
        "n_heads",
        "dim",
    ),
)


@dataclass(frozen=True, slots=True)
class Sublayer:
    """The heads or the neurons of one layer.

    Attributes:
        layer: its number, from 0.
        kind: `heads` or `neurons`.
        module: the layer.
        names: where the matrices are.
        units: how many there are.
        size: columns of the second matrix that read one of them.
    """

    layer: int
    kind: str
    module: nn.Module
    names: Names
    units: int
    size: int

    @property
    def leave(self) -> nn.Linear:
        """The second matrix, (outputs, units * size)."""
        return _linear(self.module, self.names.leave)

    @property
    def norm(self) -> nn.Module | None:
        """The LayerNorm behind the residual sum, where there is one."""
        return _below(self.module, self.names.norm)


def find_layers(model: Any) -> nn.ModuleList:
    """The layers of an encoder.

    Raises:
        ExportError: it has none that can be pruned, or all share one set of weights.
    """
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) and _layer_parts(0, module[0]):
            return module
    raise ExportError(
        f"{model.config.model_type} models cannot be pruned: no layer has feed-forward matrices of its own "
        "that are laid out like BERT's"
    )


def find_parts(model: Any) -> list[Sublayer]:
    """The heads and the neurons of every layer, in the order in which they run.

    Raises:
        ExportError: the model has none.
    """
    parts: list[Sublayer] = []
    for number, layer in enumerate(find_layers(model)):
        parts += _layer_parts(number, layer)
    return parts


def take_out(part: Sublayer, keep: NDArray[np.intp]) -> None:
    """Leave a part with some of its units only, in place.

    Args:
        part: heads or neurons.
        keep: int (k,), the units that stay, in order.
    """
    rows = torch.from_numpy((keep[:, None] * part.size + np.arange(part.size)).reshape(-1))
    for name in part.names.enter:
        matrix = _linear(part.module, name)
        _replace(part.module, name, matrix.weight[rows], None if matrix.bias is None else matrix.bias[rows])
    _replace(part.module, part.names.leave, part.leave.weight[:, rows], part.leave.bias)
    if part.names.owner:
        owner: Any = part.module.get_submodule(part.names.owner)
        setattr(owner, part.names.heads, len(keep))
        setattr(owner, part.names.width, len(rows))
        _keep_position_bias(owner, torch.from_numpy(keep))


def set_leave(part: Sublayer, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Put another second matrix in place, float32 (outputs, inputs), and its bias, float32 (outputs,)."""
    _replace(part.module, part.names.leave, weight, bias)


def _layer_parts(number: int, layer: nn.Module) -> list[Sublayer]:
    parts = []
    for kind, layouts in (("heads", _HEADS), ("neurons", _NEURONS)):
        for names in layouts:
            if all(_below(layer, path) is not None for path in (*names.enter, names.leave)):
                columns = _linear(layer, names.leave).in_features
                units = columns
                if names.owner:
                    units = int(getattr(layer.get_submodule(names.owner), names.heads))
                parts.append(Sublayer(number, kind, layer, names, units, columns // units))
    return parts if any(part.kind == "neurons" for part in parts) else []


def _below(module: nn.Module, path: str) -> nn.Module | None:
    try:
        return module.get_submodule(path)
    except AttributeError:
        return None


def _linear(module: nn.Module, path: str) -> nn.Linear:
    found = module.get_submodule(path)
    if not isinstance(found, nn.Linear):
        raise ExportError(
            f"{path} is a {type(found).__name__}, expected a matrix with a bias: it cannot be pruned"
        )
    return found


def _replace(module: nn.Module, path: str, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    above, _, name = path.rpartition(".")
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        made.weight.copy_(weight)
        if bias is not None:
            made.bias.copy_(bias)
    setattr(module.get_submodule(above), name, made.requires_grad_(False))


def _keep_position_bias(owner: nn.Module, keep: torch.Tensor) -> None:
    """MPNet works out a bias for every head of every layer at once: let a layer see those of its own heads."""
    if type(owner).__name__ != "MPNetSelfAttention":
        return
    # transformers 5 gives it one place earlier than 4 did.
    place = list(inspect.signature(owner.forward).parameters).index("position_bias")

    def chosen(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(args) > place and args[place] is not None:
            return (*args[:place], args[place][:, keep], *args[place + 1 :])
        return args

    owner.register_forward_pre_hook(chosen)


def widths(parts: Sequence[Sublayer], kind: str) -> list[int]:
    """Units of each layer, of one kind."""
    return [part.units for part in parts if part.kind == kind]
