"""A report of the model and settings that a recognizer really uses, for logs and for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clinspan.bundle.loading import Loaded
from clinspan.bundle.tasks import TOKENS, shown_names, task_of
from clinspan.text.tokenizer import TOKENIZERS_VERSION


@dataclass(frozen=True, slots=True)
class Report:
    """The model and settings that a recognizer really uses.

    Attributes:
        model: name of the model.
        path: its folder.
        precision: of the weights in use.
        provider: execution provider that onnxruntime runs the model on.
        workers: windows that run at once.
        threads: threads that share the work of one window.
        window, overlap: in tokens.
        aggregation: default word vote, of a model for entities.
        labels: names that results carry; none for vectors.
        sha256: hash of the model file; empty where the bundle records none.
        versions: of clinspan's three dependencies.
    """

    model: str
    path: str
    precision: str
    provider: str
    workers: int
    threads: int
    window: int
    overlap: int
    aggregation: str
    labels: tuple[str, ...]
    sha256: str
    versions: Mapping[str, str]
    task: str = TOKENS


def report_on(loaded: Loaded) -> Report:
    """Put together what is in use."""
    bundle, session = loaded.bundle, loaded.model.session
    return Report(
        model=bundle.name,
        path=str(bundle.path),
        precision=loaded.precision,
        provider=session.provider,
        workers=loaded.workers,
        threads=session.threads,
        window=bundle.window,
        overlap=bundle.overlap,
        aggregation=bundle.aggregation,
        labels=shown_names(bundle.head),
        sha256=bundle.models[loaded.precision].sha256,
        versions={
            "numpy": np.__version__,
            "onnxruntime": session.version,
            "tokenizers": TOKENIZERS_VERSION,
        },
        task=task_of(bundle.head),
    )
