"""Load a model by the class that its folder's task asks for, and ask it whatever its class is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from clinspan.bundle.load_options import LoadOptions
from clinspan.bundle.loading import origin_of
from clinspan.bundle.manifest import open_bundle
from clinspan.bundle.tasks import TEXTS, TOKENS, VECTORS, task_of
from clinspan.classifier import Classifier
from clinspan.embedder import Embedder
from clinspan.recognizer import Recognizer

AnyModel = Recognizer | Classifier | Embedder

_CLASSES: dict[str, type[AnyModel]] = {TOKENS: Recognizer, TEXTS: Classifier, VECTORS: Embedder}

# The first text of a pair whose second one is a note.
QUESTION = "Does the patient have chest pain?"


def class_of(path: str | Path | None, options: LoadOptions | None = None) -> type[AnyModel]:
    """The class whose `load` takes a model folder; None is the bundled starter.

    Raises:
        BundleError, InputError, MissingDependencyError: the folder cannot be used, as in `load`.
    """
    origin = origin_of(path, options)
    if origin.path is None:
        return Recognizer
    chosen = origin.options
    bundle = open_bundle(
        origin.path,
        verify=chosen.verify,
        public_key=chosen.public_key,
        outside=chosen.outside,
        entity=chosen.entity,
    )
    return _CLASSES[task_of(bundle.head)]


def load_any(path: str | Path | None, options: LoadOptions | None = None) -> AnyModel:
    """Load a model folder of any task; raises as `Recognizer.load`."""
    loader: Callable[..., AnyModel] = class_of(path, options).load
    return loader(path, options=options)


def reads_pairs(model: AnyModel) -> bool:
    """Say whether a model takes pairs of texts and nothing else."""
    return isinstance(model, Classifier) and model.reads_pairs


def ask_one(model: AnyModel, text: str) -> Any:
    """Answer one text: its spans, its labels or its vector; a model of pairs reads a question before it."""
    if isinstance(model, Recognizer):
        return model.recognize(text)
    if isinstance(model, Classifier):
        return model.classify((QUESTION, text) if model.reads_pairs else text)
    return model.embed([text])


def ask_many(model: AnyModel, texts: Iterable[str]) -> Iterator[Any]:
    """Answer texts as a stream, each as `ask_one` does."""
    if reads_pairs(model):
        return model.pipe((QUESTION, text) for text in texts)  # type: ignore[misc]
    return model.pipe(texts)
