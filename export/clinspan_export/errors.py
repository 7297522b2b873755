"""Errors of the exporter; all of them are `clinspan.ClinspanError`."""

from __future__ import annotations

from clinspan.errors import ClinspanError


class ExportError(ClinspanError):
    """The checkpoint cannot be exported as asked; nothing was left behind."""


def first_line(error: BaseException) -> str:
    """What an error says, short enough for one line."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else "no reason given"
