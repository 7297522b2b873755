"""Tasks of models, and so the meaning of their numbers: entities, labels of a text, or vectors."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from clinspan.bundle.hub_folder import SentenceSettings, label_names
from clinspan.engine.session import TOKEN_LOGITS, ModelOutput
from clinspan.errors import BundleError
from clinspan.strict_json import Fields, brief
from clinspan.text.labels import LabelSet, detect
from clinspan.text.merge import Scoring, Vectors
from clinspan.text.viterbi import CRF, Crf

# The Hub's names of the tasks.
TOKENS, TEXTS, VECTORS = "token-classification", "text-classification", "feature-extraction"

# What a model's numbers mean: entities of tokens, labels of texts, or vectors of texts.
Head = LabelSet | Scoring | Vectors

CLASSES = {TOKENS: "Recognizer", TEXTS: "Classifier", VECTORS: "Embedder"}
ANSWERS = {
    TOKENS: TOKEN_LOGITS,
    TEXTS: ModelOutput("logits", per_token=False),
    VECTORS: ModelOutput("sentence_embedding", per_token=False),
}
# Outputs of encoders that do not pool, as others export them, best first.
TOKEN_VECTORS = (ModelOutput("last_hidden_state"), ModelOutput("token_embeddings"))
MAX_DIMENSION = 1_000_000


def task_of(head: Head) -> str:
    """The task's name, as the Hub has it."""
    if isinstance(head, LabelSet):
        return TOKENS
    return TEXTS if isinstance(head, Scoring) else VECTORS


def width_of(head: Head) -> int:
    """Numbers that the model gives for a token or a text."""
    return head.dimension if isinstance(head, Vectors) else len(head.names)


def shown_names(head: Head) -> tuple[str, ...]:
    """Labels as results carry them; empty for vectors."""
    if isinstance(head, LabelSet):
        return head.entities
    return head.names if isinstance(head, Scoring) else ()


def check_task(head: Head, wanted: str, name: str) -> None:
    """Refuse a model of another task, and say which class loads it.

    Raises:
        BundleError: the model is for something else.
    """
    task = task_of(head)
    if task != wanted:
        raise BundleError(
            f"{name} is a model for {task}, and {CLASSES[wanted]} needs one for {wanted}: "
            f"load it with {CLASSES[task]}.load"
        )


def head_fields(head: Head) -> dict[str, Any]:
    """The fields of a manifest that say what the numbers mean."""
    if isinstance(head, LabelSet):
        return {
            "labels": list(head.names),
            "scheme": head.scheme,
            "outside": head.outside,
            "rename": dict(head.rename),
        }
    if isinstance(head, Scoring):
        return {
            "labels": list(head.names),
            "problem": head.problem,
            "pairs": head.pairs,
            "merge": head.merge,
            "scale": head.scale,
            "thresholds": dict(head.thresholds),
        }
    said = {"dimension": head.dimension, "normalize": head.normalize, "pooling": head.pooling}
    return said if head.graph_pools else {**said, "graph_pools": False}


def read_head(data: Fields) -> Head:
    """Read from a manifest what the numbers mean.

    Raises:
        BundleError: the task is unknown, or a field makes no sense.
    """
    task = data.text("task")
    if task == TOKENS:
        return detect(
            data.texts("labels"),
            scheme=data.text("scheme"),
            outside=data.text("outside"),
            rename=data.texts_by_name("rename"),
        )
    if task == TEXTS:
        return Scoring(
            tuple(data.texts("labels")),
            problem=data.text("problem"),
            merge=data.text("merge"),
            scale=data.text("scale"),
            thresholds=_thresholds(data),
            pairs=data.get("pairs", bool, False),
        )
    if task == VECTORS:
        return Vectors(
            data.number("dimension", least=1, most=MAX_DIMENSION),
            normalize=data.get("normalize", bool),
            pooling=data.text("pooling"),
            graph_pools=data.get("graph_pools", bool, True),
        )
    raise BundleError(f"{data.source}: task is {brief(task)}: expected one of {', '.join(CLASSES)}")


_CRF_TABLES = ("transitions", "start_transitions", "end_transitions")


def crf_fields(crf: Crf | None) -> dict[str, Any]:
    """The field of a manifest that holds a CRF's tables; none without a CRF."""
    return {} if crf is None else {CRF: {name: getattr(crf, name).tolist() for name in _CRF_TABLES}}


def read_crf(data: Fields, head: Head) -> Crf | None:
    """Read a CRF's tables from a manifest; None where it has none.

    Raises:
        BundleError: they are not tables of finite numbers for the model's labels.
    """
    if CRF not in data.data:
        return None
    fields, labels = data.inside(CRF), len(head.names) if isinstance(head, LabelSet) else 0
    crf = Crf(*(_table(fields.get(name, list)) for name in _CRF_TABLES))
    if not crf.fits(labels):
        raise BundleError(
            f"{data.source}: crf does not hold finite numbers for the model's labels: expected {labels} rows of "
            f"{labels} in transitions, {labels} numbers in start_transitions and in end_transitions"
        )
    return crf


def _table(values: list[Any]) -> npt.NDArray[np.float64]:
    """Lay lists of numbers out as an array; an empty one where they are anything else."""
    rows = values if values and isinstance(values[0], list) else [values]
    if any(not isinstance(row, list) or {type(value) for value in row} - {int, float} for row in rows):
        return np.empty(0)
    try:
        return np.array(values, dtype=np.float64)
    except (ValueError, OverflowError):  # rows of different lengths; an integer beyond every float
        return np.empty(0)


@dataclass(frozen=True, slots=True)
class LabelHints:
    """Knowledge of a caller about the labels of a folder without a manifest; see `clinspan.text.labels.detect`."""

    outside: str | None = None
    entity: str | None = None


def head_of_config(config: Fields, hints: LabelHints, sentences: SentenceSettings | None) -> Head:
    """Read from a config.json what the numbers mean, where there is no manifest.

    Args:
        config: the file's content.
        hints: a caller's knowledge of the labels.
        sentences: settings of sentence-transformers beside it, if there are any.

    Raises:
        BundleError: its kind cannot be read without one.
    """
    architectures = [str(name) for name in config.get("architectures", list, [])]
    if any(name.endswith("ForSequenceClassification") for name in architectures):
        names = label_names(config)
        return Scoring(tuple(names), problem=problem_of(config.data, len(names)))
    if sentences is not None and not any(name.endswith("ForTokenClassification") for name in architectures):
        width = "hidden_size" if "hidden_size" in config.data else "dim"
        return Vectors(
            config.number(width, least=1, most=MAX_DIMENSION),
            normalize=sentences.normalize,
            pooling=sentences.pooling,
            graph_pools=False,
        )
    other = next((name for name in architectures if not name.endswith("ForTokenClassification")), None)
    if other is not None and "id2label" not in config.data:
        raise BundleError(
            f"{config.source}: {brief(other)} is not for entities or labels of texts, and the folder has no "
            "modules.json that says how its vectors are pooled: `clinspan-export CHECKPOINT OUT --pooling mean` "
            "makes a bundle that gives vectors"
        )
    return detect(label_names(config), outside=hints.outside, entity=hints.entity)


def problem_of(config: dict[str, Any], count: int) -> str:
    """How a Hugging Face config.json means `count` labels; as transformers reads it, one alone is a yes or no."""
    given = config.get("problem_type")
    if given == "regression":
        return "regression"
    return "multi-label" if given == "multi_label_classification" or count == 1 else "single-label"


def _thresholds(data: Fields) -> MappingProxyType[str, float]:
    found = data.get("thresholds", dict, {})
    for limit in found.values():
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise BundleError(f"{data.source}: thresholds holds {brief(limit)}, expected numbers from 0 to 1")
    return MappingProxyType({str(name): float(limit) for name, limit in found.items()})
