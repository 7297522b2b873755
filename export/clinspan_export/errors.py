"""Errors of the exporter; all of them are `clinspan.ClinspanError`."""

from __future__ import annotations

from clinspan.errors import ClinspanError


class ExportError(ClinspanError):
    """The checkpoint cannot be exported as asked; nothing was left behind."""


class LimitError(ExportError):
    """The bundle loses more than a limit allows; another way to make it may lose less."""


def first_line(error: BaseException) -> str:
    """Shorten the message of an error to one line of at most 200 characters."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else "no reason given"
