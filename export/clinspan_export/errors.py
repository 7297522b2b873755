"""Errors of the exporter; all of them are `clinspan.ClinspanError`."""

from __future__ import annotations

from clinspan.errors import ClinspanError


class ExportError(ClinspanError):
    """The checkpoint cannot be exported as asked; nothing was left behind."""
