"""What a recognizer really uses, for logs and for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clinspan.bundle.manifest import Bundle
from clinspan.engine.session import Session
from clinspan.text.decode import label_table


@dataclass(frozen=True, slots=True)
class Report:
    """What a recognizer really uses.

    Attributes:
        model: name of the model.
        path: its folder.
        precision: of the weights in use.
        provider: execution provider that onnxruntime runs the model on.
        workers: windows that run at once.
        threads: threads that share the work of one window.
        window, overlap: in tokens.
        aggregation: default word vote.
        labels: entity names.
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


def report_on(bundle: Bundle, precision: str, session: Session, workers: int) -> Report:
    """Put together what a recognizer uses."""
    import tokenizers

    return Report(
        model=bundle.name,
        path=str(bundle.path),
        precision=precision,
        provider=session.provider,
        workers=workers,
        threads=session.threads,
        window=bundle.window,
        overlap=bundle.overlap,
        aggregation=bundle.aggregation,
        labels=label_table(bundle.labels).names,
        sha256=bundle.models[precision].sha256,
        versions={
            "numpy": np.__version__,
            "onnxruntime": session.version,
            "tokenizers": tokenizers.__version__,
        },
    )
