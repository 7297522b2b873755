"""Turn a fine-tuned clinical BERT into a quantized, verified ONNX bundle. Needs torch; the runtime does not.

from clinspan_export import export
bundle = export("CHECKPOINT", "bundle")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clinspan_export.checkpoint import Trust
    from clinspan_export.errors import ExportError
    from clinspan_export.exporter import Overrides
    from clinspan_export.texts.by_task import export
    from clinspan_export.texts.text_checkpoint import TextOverrides
    from clinspan_export.texts.text_compare import TextLimits
    from clinspan_export.texts.text_export import TextChecks
    from clinspan_export.verify.limits import Limits
    from clinspan_export.verify.verdict import Checks

__all__ = [
    "Checks",
    "ExportError",
    "Limits",
    "Overrides",
    "TextChecks",
    "TextLimits",
    "TextOverrides",
    "Trust",
    "export",
]

_HOMES = {
    "Checks": "verify.verdict",
    "ExportError": "errors",
    "Limits": "verify.limits",
    "Overrides": "exporter",
    "TextChecks": "texts.text_export",
    "TextLimits": "texts.text_compare",
    "TextOverrides": "texts.text_checkpoint",
    "Trust": "checkpoint",
    "export": "texts.by_task",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for, so that importing the package is free."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
