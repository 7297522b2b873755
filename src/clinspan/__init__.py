"""Exact entity spans, labels and vectors from clinical notes of any length.

>>> from clinspan import Recognizer
>>> recognizer = Recognizer.load()
>>> [(span.label, span.text) for span in recognizer.recognize("She has pneumonia.")]
[('PROBLEM', 'pneumonia')]
"""

from __future__ import annotations

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from clinspan.errors import (
    BundleError,
    ClinspanError,
    ClosedError,
    DeadlineError,
    DeviceError,
    InferenceError,
    InputError,
    MissingDependencyError,
)

if _TYPE_CHECKING:
    from clinspan.bundle.load_options import LoadOptions
    from clinspan.classifier import Classifier
    from clinspan.embedder import Embedder
    from clinspan.interop.html import html
    from clinspan.recognizer import Recognizer
    from clinspan.report import Report
    from clinspan.text.decode import Span
    from clinspan.text.merge import LabelScore

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "Classifier",
    "ClinspanError",
    "ClosedError",
    "DeadlineError",
    "DeviceError",
    "Embedder",
    "InferenceError",
    "InputError",
    "LabelScore",
    "LoadOptions",
    "MissingDependencyError",
    "Recognizer",
    "Report",
    "Span",
    "__version__",
    "html",
]

# Public name -> module that holds it, imported when the name is first used: clinspan.clinical needs neither numpy nor
# tokenizers, and takes a tenth of their time.
_HOMES = {
    "Classifier": "clinspan.classifier",
    "Embedder": "clinspan.embedder",
    "LabelScore": "clinspan.text.merge",
    "LoadOptions": "clinspan.bundle.load_options",
    "Recognizer": "clinspan.recognizer",
    "Report": "clinspan.report",
    "Span": "clinspan.text.decode",
    "html": "clinspan.interop.html",
}


def __getattr__(name: str) -> _Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
