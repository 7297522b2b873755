"""The tables of a CRF beside a checkpoint's encoder and classifier, which transformers' own models have no place for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clinspan.text.viterbi import Crf
from clinspan_export.errors import ExportError
from clinspan_export.inspection.checkpoint_files import held_file

# As pytorch-crf names them, in a module called crf; in the order of the fields of `Crf`.
CRF_TENSORS = ("crf.transitions", "crf.start_transitions", "crf.end_transitions")

# Around the family's name, words that say nothing of what is computed but that a CRF decides.
_FILLERS = "(?:ForTokenClassification|ForNER|NER|Model|With|CRF|_)*"


def is_crf_class(saved: str, made: str) -> bool:
    """Tell whether a class is, by its name, that of transformers with a CRF behind it.

    >>> made = "BertForTokenClassification"
    >>> [is_crf_class(name, made) for name in ("BertCRF", "BertCrfForTokenClassification", "BertMeanOfLayersCRF")]
    [True, True, False]
    """
    family = re.escape(made.removesuffix("ForTokenClassification"))
    return "crf" in saved.lower() and re.fullmatch(family + _FILLERS, saved, re.IGNORECASE) is not None


def read_crf(source: str, commit: str, info: Mapping[str, Any], labels: int) -> Crf | None:
    """Read the tables of a CRF from a checkpoint's weights; None where its files do not hold all three.

    Args:
        source: folder or Hub id.
        commit: of the Hub id, as it was loaded.
        info: what transformers says of the loading.
        labels: of the model.

    Raises:
        ExportError: they are not finite numbers for these labels.
    """
    if not set(CRF_TENSORS) <= set(info["unexpected_keys"]):
        return None
    crf = Crf(*_tensors(source, commit, CRF_TENSORS))
    if not crf.fits(labels):
        raise ExportError(
            f"{source} has a CRF that does not fit its {labels} labels: expected finite numbers, {labels} x {labels} in "
            f"{CRF_TENSORS[0]}, {labels} in {CRF_TENSORS[1]} and in {CRF_TENSORS[2]}"
        )
    return crf


def _tensors(source: str, commit: str, names: Sequence[str]) -> list[Any]:
    """Tensors of the weights, float64 each."""
    import torch
    from safetensors import safe_open

    found = []
    for name in names:
        path = _file_of(source, commit, name)
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as tensors:
                found.append(tensors.get_tensor(name))
        else:
            found.append(torch.load(path, map_location="cpu", weights_only=True)[name])
    return [tensor.to(torch.float64).numpy().astype(np.float64) for tensor in found]


def _file_of(source: str, commit: str, name: str) -> Path:
    """The file of weights that holds a tensor, in the order in which transformers looks for them."""
    for whole in ("model.safetensors", "pytorch_model.bin"):
        path = held_file(source, commit, whole)
        if path is not None:
            return path
        index = held_file(source, commit, f"{whole}.index.json")
        if index is not None:
            part = json.loads(index.read_bytes())["weight_map"][name]
            path = held_file(source, commit, part)
            if path is not None:
                return path
    raise ExportError(f"{source} has weights in files that are not where {name} is looked for")
