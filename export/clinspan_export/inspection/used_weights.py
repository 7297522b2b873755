"""Which weights of a model that brings its own code reach its logits, and which a bundle would leave out."""

from __future__ import annotations

from typing import Any

from clinspan_export.errors import ExportError


def is_own_code(model: Any) -> bool:
    """Tell whether a model's class is the checkpoint's own rather than one of transformers."""
    return not type(model).__module__.startswith("transformers.")


def unused_weights(source: str, model: Any) -> list[str]:
    """Name the weights that the logits are computed without, such as a CRF that only the loss and `decode` use.

    The graph that PyTorch keeps of one small run is walked back from the logits to the weights; nothing is trained.

    Raises:
        ExportError: the model gives no logits, or they are decided labels, which depend on no weight.
    """
    import torch

    frozen = [one for one in model.parameters() if not one.requires_grad]
    for one in frozen:
        one.requires_grad_(one.is_floating_point())
    try:
        ids = torch.tensor([[1, 2, 3]])
        with torch.enable_grad():
            answer = model(input_ids=ids, attention_mask=torch.ones_like(ids))
        logits = getattr(answer, "logits", None)
        if not isinstance(logits, torch.Tensor) or logits.grad_fn is None:
            raise ExportError(
                f"{source}: the class {type(model).__name__} answers with no logits that its weights give (decided labels, "
                "perhaps): expected a model whose answer has logits for each token"
            )
        used = _weights_behind(logits)
    finally:
        for one in frozen:
            one.requires_grad_(False)
    # Tables that are not trained (buffers) have no place in that graph: those of a CRF are found by their names.
    return sorted(name for name, one in model.named_parameters() if id(one) not in used)


def _weights_behind(logits: Any) -> set[int]:
    """Ids of the parameters that a tensor was computed from."""
    found, seen, ahead = set(), set(), [logits.grad_fn]
    while ahead:
        step = ahead.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        if hasattr(step, "variable"):
            found.add(id(step.variable))
        ahead += [before for before, _ in step.next_functions]
    return found
