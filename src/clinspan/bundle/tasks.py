"""Tasks of models, and so the meaning of their numbers: entities, labels of a text, or vectors."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from clinspan.bundle.hub_folder import label_names
from clinspan.engine.session import TOKEN_LOGITS, ModelOutput
from clinspan.errors import BundleError
from clinspan.strict_json import Fields, brief
from clinspan.text.labels import LabelSet, detect
from clinspan.text.merge import Scoring, Vectors

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
    return {"dimension": head.dimension, "normalize": head.normalize, "pooling": head.pooling}


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
        )
    raise BundleError(f"{data.source}: task is {brief(task)}: expected one of {', '.join(CLASSES)}")


@dataclass(frozen=True, slots=True)
class LabelHints:
    """Knowledge of a caller about the labels of a folder without a manifest; see `clinspan.text.labels.detect`."""

    outside: str | None = None
    entity: str | None = None


def head_of_config(config: Fields, hints: LabelHints) -> Head:
    """Read from a config.json what the numbers mean, where there is no manifest.

    Raises:
        BundleError: its kind cannot be read without one.
    """
    architectures = config.get("architectures", list, [])
    if any(str(name).endswith("ForSequenceClassification") for name in architectures):
        names = label_names(config)
        return Scoring(tuple(names), problem=problem_of(config.data, len(names)))
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
