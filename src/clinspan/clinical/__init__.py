"""The meaning of the words around a finding: sections, assertion, medication regimens, schedules.

Pure functions of a note and its spans, from any source. No model is loaded and nothing is imported beyond the
standard library.
"""

from __future__ import annotations

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
