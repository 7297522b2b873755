"""FHIR R4: a Bundle of what a note says, and the dosage of its drugs."""

from __future__ import annotations

from clinspan.interop.fhir.resources import bundle, failure

__all__ = ["bundle", "failure"]
