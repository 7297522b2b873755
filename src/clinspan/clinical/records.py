"""The answers of the clinical rules: frozen records that hold offsets into the note and the cue behind every decision.

Ranges are half open and count Unicode code points of the note.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

# What a drug's mention can say that happens to the drug.
ACTIONS = ("stopped", "held", "refused", "started", "changed", "continued")

# What a cue of the bundled files can say, actions included; a user's own files may add kinds.
KINDS = (
    "negated",
    "uncertain",
    "hypothetical",
    "historical",
    "family",
    "other",
    "planned",
    "allergy",
    *ACTIONS,
)

# The parts of a regimen, by the label of the span that fills each.
PARTS: Mapping[str, str] = MappingProxyType(
    {
        "STRENGTH": "strength",
        "FORM": "form",
        "ROUTE": "route",
        "DOSAGE": "dosage",
        "FREQUENCY": "frequency",
        "DURATION": "duration",
    }
)


class SpanLike(Protocol):
    """A span of any source: clinspan's own, spaCy's with a little help, a row of a BRAT file."""

    @property
    def label(self) -> str:
        """The entity's name."""

    @property
    def start(self) -> int:
        """First character."""

    @property
    def end(self) -> int:
        """One past the last character."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a note under one heading; the sections of a note partition it.

    Attributes:
        kind: one of the kinds in `cues/sections.txt`, such as `family_history`; `other` under a heading that the
            file does not know, `none` before the first heading.
        title: the heading's own words; empty if it has no heading.
        start: first character, the heading included.
        body: first character after the heading.
        end: one past the last character.
    """

    kind: str
    title: str
    start: int
    body: int
    end: int


@dataclass(frozen=True, slots=True)
class Cue:
    """The words that decided something: `note[start:end] == text`.

    Attributes:
        kind: what they say, one of `KINDS` unless a cue file of the user's own adds another.
        text: the note's own words.
        start: first character.
        end: one past the last character.
        where: where they stand to the span: `before`, `after`, `inside`, `form` (a checkbox, a "yes" or "no" of a
            table, a plus or minus sign) or `section` (the heading that the span stands under).
    """

    kind: str
    text: str
    start: int
    end: int
    where: str


@dataclass(frozen=True, slots=True)
class Assertion:
    """The assertions of a note about one span; every answer has its cue.

    A span without cues is affirmed: present, now, in the patient.

    Attributes:
        cues: the cue that decided each kind, at most one of a kind, in note order.
        section: the section that the span starts in.
    """

    cues: tuple[Cue, ...]
    section: Section

    def cue(self, kind: str) -> Cue | None:
        """Give the cue that decided a kind, None where the kind does not hold."""
        return next((cue for cue in self.cues if cue.kind == kind), None)

    def _has(self, kind: str) -> bool:
        return any(cue.kind == kind for cue in self.cues)

    @property
    def negated(self) -> bool:
        """Whether it is denied, ruled out, not there or resolved."""
        return self._has("negated")

    @property
    def uncertain(self) -> bool:
        """Whether it is hedged: possible, probable, suspected, a question, to be ruled out."""
        return self._has("uncertain")

    @property
    def hypothetical(self) -> bool:
        """Whether it is a condition or a warning: "if", "return for", "in case of"."""
        return self._has("hypothetical")

    @property
    def historical(self) -> bool:
        """Whether it belongs to the past: "history of", "status post", a past history section."""
        return self._has("historical")

    @property
    def family(self) -> bool:
        """Whether it is a relative's."""
        return self._has("family")

    @property
    def planned(self) -> bool:
        """Whether a test, treatment or drug is ordered, scheduled or advised and not yet done."""
        return self._has("planned")

    @property
    def allergy(self) -> bool:
        """Whether the patient is said to be allergic to, or not to tolerate, it."""
        return self._has("allergy")

    @property
    def experiencer(self) -> str:
        """Whose it is: `patient`, `family` or `other` (a donor, a partner, a contact)."""
        return "family" if self.family else "other" if self._has("other") else "patient"

    @property
    def action(self) -> str | None:
        """The action on a drug or treatment: one of `ACTIONS`, or None where the note does not say."""
        return next((cue.kind for cue in self.cues if cue.kind in ACTIONS), None)


@dataclass(frozen=True, slots=True)
class Regimen:
    """One drug as it is taken at one time, with the spans that say how.

    A drug whose dose changes has several regimens, in the order of the text: the steps of a taper, a morning and an
    evening dose, the old and the new dose. A drug of which the note says nothing has one, without parts.

    Attributes:
        drug: the drug's span.
        strength: spans of its strength; more than one for "500 mg/125 mg" and for a strength with a concentration.
        form: spans of its form.
        route: spans of its route.
        dosage: spans of how many units are taken at a time.
        frequency: spans of how often it is taken.
        duration: spans of how long it is taken.
        replaced: whether this is the dose that a change leaves behind ("from 25 mg to 50 mg").
    """

    drug: SpanLike
    strength: tuple[SpanLike, ...] = ()
    form: tuple[SpanLike, ...] = ()
    route: tuple[SpanLike, ...] = ()
    dosage: tuple[SpanLike, ...] = ()
    frequency: tuple[SpanLike, ...] = ()
    duration: tuple[SpanLike, ...] = ()
    replaced: bool = False

    def parts(self) -> Iterator[tuple[str, SpanLike]]:
        """Yield (part, span) for every span but the drug's, part by part."""
        for name in PARTS.values():
            for span in getattr(self, name):
                yield name, span


@dataclass(frozen=True, slots=True)
class Timing:
    """A frequency or duration as numbers, after FHIR's Timing; None and empty where the text does not say.

    Units are UCUM's: `s`, `min`, `h`, `d`, `wk`, `mo`, `a`. Days are `mon` to `sun`. Times are "HH:MM". Events are
    HL7's: `MORN`, `NOON`, `AFT`, `EVE`, `NIGHT`, `WAKE`, `HS`, `AC`, `ACM`, `ACD`, `ACV`, `PC`, `PCM`, `PCD`, `PCV`,
    `C`, `CM`, `CD`, `CV`.

    Attributes:
        text: what was read.
        times: how often per period; 3 in "three times a day".
        times_max: the upper end of a range; 4 in "3 to 4 times a day".
        period: length of the period; 6 in "every 6 hours".
        period_max: the upper end of a range; 8 in "every 6 to 8 hours".
        period_unit: unit of the period.
        code: HL7's code where there is one: BID, TID, QID, QD, QOD, Q1H to Q8H, AM, PM, BED, WK, MO.
        days: days of the week.
        at: times of day.
        when: events of the day.
        offset: minutes before or after the event.
        as_needed: whether it is taken only when needed.
        reason: what for; "pain" in "as needed for pain".
        duration: for how long; 7 in "for 7 days".
        duration_max: the upper end of a range.
        duration_unit: unit of the duration.
        count: number of doses; 1 in "once", 3 in "x 3 doses".
        unparsed: the rest of the text, that no rule read; all of it where the structure would be a guess.
    """

    text: str
    times: int | None = None
    times_max: int | None = None
    period: float | None = None
    period_max: float | None = None
    period_unit: str | None = None
    code: str | None = None
    days: tuple[str, ...] = ()
    at: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    offset: int | None = None
    as_needed: bool = False
    reason: str = ""
    duration: float | None = None
    duration_max: float | None = None
    duration_unit: str | None = None
    count: int | None = None
    unparsed: str = ""
