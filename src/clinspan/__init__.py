"""Exact entity spans, labels and vectors from clinical notes of any length.

>>> from clinspan import Recognizer
>>> recognizer = Recognizer.load()
>>> [(span.label, span.text) for span in recognizer.recognize("She has pneumonia.")]
[('PROBLEM', 'pneumonia')]
"""

from __future__ import annotations

from clinspan.bundle.load_options import LoadOptions
from clinspan.classifier import Classifier
from clinspan.embedder import Embedder
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
