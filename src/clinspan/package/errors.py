"""The one error of packaging."""

from __future__ import annotations

from clinspan.errors import ClinspanError


class PackageError(ClinspanError):
    """A package cannot be made: a wheel is missing, a limit is passed, or what was made does not run."""
