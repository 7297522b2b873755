"""The meaning of the words around a finding: sections, assertion, medication regimens, schedules.

Pure functions of a note and its spans, from any source. No model is loaded and nothing is imported beyond the
standard library; each function's rules are loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from clinspan.clinical.assertion import assertions
    from clinspan.clinical.cues.files import CueSet, load_cues
    from clinspan.clinical.dosing import timing
    from clinspan.clinical.headings import sections
    from clinspan.clinical.medication import regimens
    from clinspan.clinical.records import Assertion, Cue, Regimen, Section, SpanLike, Timing

__all__ = [
    "Assertion",
    "Cue",
    "CueSet",
    "Regimen",
    "Section",
    "SpanLike",
    "Timing",
    "assertions",
    "load_cues",
    "regimens",
    "sections",
    "timing",
]

# Public name -> module of this package that holds it.
_HOMES = {
    **dict.fromkeys(("Assertion", "Cue", "Regimen", "Section", "SpanLike", "Timing"), "records"),
    **dict.fromkeys(("CueSet", "load_cues"), "cues.files"),
    "assertions": "assertion",
    "regimens": "medication",
    "sections": "headings",
    "timing": "dosing",
}


def __getattr__(name: str) -> _Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
