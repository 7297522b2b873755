"""The tables of a CRF beside a checkpoint's encoder and classifier, which transformers' own models have no place for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.text.viterbi import Crf
from clinspan_export.errors import ExportError
from clinspan_export.inspection.checkpoint_files import held_file

# As pytorch-crf and AllenNLP name them, in a module of any name; in the order of the fields of `Crf`.
_TABLES = ("transitions", "start_transitions", "end_transitions")
# AllenNLP's: 1 where one label may follow another, with a row and a column more for the start and two for the end.
_MASK = "_constraint_mask"
# What AllenNLP gives to a step that may not be.
_FORBIDDEN = -10_000.0

# Around the family's name, words that say nothing of what is computed but that a CRF decides.
_FILLERS = "(?:ForTokenClassification|ForSequenceLabell?ing|ForSequenceTagging|ForNER|NER|Tagger|Model|Layer|With|CRF|_)*"


def is_crf_class(saved: str, made: str) -> bool:
    """Tell whether a class is, by its name, that of transformers with a CRF behind it.

    >>> made = "BertForTokenClassification"
    >>> [is_crf_class(name, made) for name in ("BertCRF", "BertCrfForTokenClassification", "BertMeanOfLayersCRF")]
    [True, True, False]
    """
    family = re.escape(made.removesuffix("ForTokenClassification"))
    return "crf" in saved.lower() and re.fullmatch(family + _FILLERS, saved, re.IGNORECASE) is not None


def crf_names(names: Iterable[str]) -> dict[str, str]:
    """Find a CRF's tables among the names of tensors: the name of each table; empty where there is not one whole CRF.

    AllenNLP's may lack scores for the start and the end; another kind without them may have its table either way round.

    >>> crf_names(["crf.transitions", "crf.start_transitions", "crf.end_transitions", "lstm.bias"])["transitions"]
    'crf.transitions'
    >>> crf_names(["crf.transitions"])
    {}
    """
    there, found = set(names), []
    for name in sorted(there):
        if name.rpartition(".")[2] != _TABLES[0]:
            continue
        module = name.removesuffix(_TABLES[0])
        own = {table: module + table for table in (*_TABLES, _MASK) if module + table in there}
        if set(_TABLES) <= set(own) or set(own) == {_TABLES[0], _MASK}:
            found.append(own)
    return found[0] if len(found) == 1 else {}


def read_crf(source: str, names: Mapping[str, str], tensors: Mapping[str, Any], labels: int) -> Crf | None:
    """Make the CRF of its tables; None without them.

    Args:
        source: folder or Hub id.
        names: from `crf_names`.
        tensors: by name, torch or numpy arrays.
        labels: of the model.

    Raises:
        ExportError: they are not finite numbers for these labels.
    """
    if not names:
        return None
    given = {table: _numbers(tensors[name]) for table, name in names.items()}
    nothing = np.zeros(labels)
    crf: Crf | None = Crf(*(given.get(table, nothing) for table in _TABLES))
    if crf is not None and crf.fits(labels) and _MASK in given:
        crf = _masked(crf, given[_MASK], labels)
    if crf is None or not crf.fits(labels):
        first, others = names[_TABLES[0]], [name for name in names.values() if name != names[_TABLES[0]]]
        sizes = " and ".join(
            f"{labels + 2} x {labels + 2} in {name}" if name.endswith(_MASK) else f"{labels} in {name}"
            for name in others
        )
        raise ExportError(
            f"{source} has a CRF that does not fit its {labels} labels: expected finite numbers, {labels} x {labels} in "
            f"{first}, {sizes}"
        )
    return crf


def _masked(crf: Crf, mask: npt.NDArray[np.float64], labels: int) -> Crf | None:
    """The CRF as AllenNLP decodes with a mask; None for a mask of other labels."""
    if mask.shape != (labels + 2, labels + 2) or not np.isin(mask, (0, 1)).all():
        return None

    def kept(scores: npt.NDArray[np.float64], allowed: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(allowed == 1, scores, _FORBIDDEN)

    return Crf(
        kept(crf.transitions, mask[:labels, :labels]),
        kept(crf.start_transitions, mask[labels, :labels]),
        kept(crf.end_transitions, mask[:labels, labels + 1]),
    )


def _numbers(tensor: Any) -> npt.NDArray[np.float64]:
    import torch

    return tensor.detach().to("cpu", torch.float64).numpy().astype(np.float64)  # type: ignore[no-any-return]


def read_tensors(source: str, commit: str, names: Sequence[str]) -> dict[str, Any]:
    """Read tensors of the weights by their names.

    Args:
        source: folder or Hub id.
        commit: of the Hub id, as it was loaded.
        names: of the tensors.
    """
    import torch
    from safetensors import safe_open

    found = {}
    for name in names:
        path = _file_of(source, commit, name)
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as tensors:
                found[name] = tensors.get_tensor(name)
        else:
            found[name] = torch.load(path, map_location="cpu", weights_only=True)[name]
    return found


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
