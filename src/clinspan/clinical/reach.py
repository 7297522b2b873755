"""How far each cue reaches: one walk over cues, breaks and spans that never goes back further than the clause."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from clinspan.clinical.cues.phrases import Meaning
from clinspan.clinical.cues.scan import CELL, CLOSE, ITEM, LINE, OPEN, Mark
from clinspan.clinical.records import ACTIONS, Cue, Section, SpanLike

# What joins the parts of a list: "a, b and c".
_JOINED = re.compile(
    r"[\s,/&+]*(?:\b(?:and|or|nor|and/or|as well as|vs|versus|with)\b[\s,/]*)?(?:[\w-]+ ){0,2}[\w-]*\s*$"
)
_JOINED_CLOSELY = re.compile(r"\s*(?:/|\b(?:and|or|nor|vs|versus|and/or)\b\.?)\s*(?:[\w-]+ ?){0,2}$")
# A cue may follow its span after at most four words.
_NEXT_TO = re.compile(r"[ \t]*(?:[(:–-][ \t]*)?(?:[\w./%-]+[ \t]+){0,4}$")
_SINGULAR = ("was ", "is ", "has ")

_FEW_WORDS = re.compile(r"\s*(?:(?!for\b|and\b|or\b|with\b|but\b)[\w'/-]+\s+){0,5}$", re.IGNORECASE)

# An order behind its drug: "metformin 500 mg - hold".
_ASIDE = re.compile(r"[^.;\r\n]{0,40}[:(,|–—-][ \t]*$")

# The most spans of a chain that a cue is followed over.
_LONGEST_CHAIN = 40
# The longest text between the members of a list.
_WIDEST_GAP = 60


class _Open:
    """A cue that reaches forward, with what it has reached.

    Attributes:
        kind: what it says.
        mark: its place.
        meaning: what it does.
        depth: how many brackets it stands in.
        spans: how many spans it has reached.
        last: the last of them.
    """

    __slots__ = ("_cue", "depth", "kind", "last", "mark", "meaning", "spans")

    def __init__(self, kind: str, mark: Mark, meaning: Meaning, depth: int) -> None:
        self.kind, self.mark, self.meaning, self.depth = kind, mark, meaning, depth
        self.spans, self.last = 0, -1
        self._cue: Cue | None = None

    def cue(self, note: str) -> Cue:
        """Give the record that every span it reaches shares."""
        if self._cue is None:
            self._cue = _record(note, self.kind, self.mark, "before")
        return self._cue


def _record(note: str, kind: str, mark: Mark, where: str) -> Cue:
    return Cue(kind, note[mark.start : mark.end], mark.start, mark.end, where)


class Reach:
    """The walk's state: which cues are open, and what each span was given.

    Attributes:
        found: for each span, the cue of each kind that holds.
        labels: what each span is, in clinspan's words.
    """

    def __init__(self, note: str, spans: Sequence[SpanLike], labels: Sequence[str]) -> None:
        self.note = note
        self.spans = spans
        self.labels = labels
        self._starts = [*(span.start for span in spans), sys.maxsize]
        self.found: list[dict[str, Cue]] = [{} for _ in spans]
        self._open: dict[str, _Open] = {}
        self._depth = 0
        self._clause = 0  # first span of the clause
        self._next = 0  # first span that the walk has not come to
        self._taken: dict[str, int] = {}  # for each kind, the first span that a cue behind it may take

    def walk(self, marks: Sequence[Mark], parts: Sequence[Section]) -> None:
        """Go over the cues and breaks of a note, in note order, and its sections."""
        section, covered = 0, 0
        for mark in marks:
            while section < len(parts) and parts[section].start <= mark.start:
                self._pass_spans(parts[section].start)
                self._close_all()
                section += 1
            self._pass_spans(mark.start)
            if mark.level >= 0:
                self._break(mark.level)
                continue
            if section and mark.start < parts[section - 1].body:
                continue  # the words of a heading
            if self._next and self.spans[self._next - 1].end > covered:
                covered = self.spans[self._next - 1].end
            if not self._inside(mark, covered):
                self._cue(mark)
        for part in parts[section:]:
            self._pass_spans(part.start)
            self._close_all()
        self._pass_spans(len(self.note) + 1)
        self._close_all()

    def _pass_spans(self, stop: int) -> None:
        """Give every span that begins before a place the cues that are open."""
        while self._starts[self._next] < stop:
            i = self._next
            self._next += 1
            for kind, item in tuple(self._open.items()):
                if item.meaning.labels is not None and self.labels[i] not in item.meaning.labels:
                    continue
                if item.meaning.near and not self._close_to(item, i):
                    del self._open[kind]
                    continue
                item.spans += 1
                item.last = i
                self.found[i][kind] = item.cue(self.note)

    def _close_to(self, item: _Open, i: int) -> bool:
        """Whether a span follows a cue, or the last span that the cue has reached, closely."""
        pattern, begin = (
            (_JOINED_CLOSELY, self.spans[item.last].end) if item.spans else (_FEW_WORDS, item.mark.end)
        )
        stop = self.spans[i].start
        if stop <= begin:
            return True
        return stop - begin < _WIDEST_GAP and pattern.match(self.note, begin, stop) is not None

    def _inside(self, mark: Mark, covered: int) -> bool:
        """Whether a cue's words lie within a span, where they are a part of its name."""
        if mark.end > covered or not self._next:
            return False
        span = self.spans[self._next - 1]
        return not (
            span.end == mark.end
            and span.start < mark.start
            and any(after for _, _, after in mark.effect.kinds)
        )

    def _break(self, level: int) -> None:
        if level == OPEN:
            self._depth += 1
        elif level == CLOSE:
            self._close(
                {kind for kind, item in self._open.items() if item.depth == self._depth and self._depth}
            )
            self._depth = max(0, self._depth - 1)
        elif level in (ITEM, LINE) and any(item.mark.opens_list for item in self._open.values()):
            self._close({kind for kind, item in self._open.items() if not item.mark.opens_list})
            self._start_clause()
        else:
            self._close_all()
            if level >= LINE or level == CELL:
                self._depth = 0

    def _close_all(self) -> None:
        if self._open:
            self._close(set(self._open))
        self._start_clause()

    def _start_clause(self) -> None:
        self._clause = self._next
        self._taken.clear()

    def _close(self, kinds: set[str]) -> None:
        """End the reach of some kinds; an action that found nothing ahead speaks of what it follows."""
        for kind in kinds:
            item = self._open.pop(kind)
            if not item.spans and (kind in ACTIONS or kind == "planned"):
                self._take_behind(item.mark, item.meaning, fallback=True)

    def _cue(self, mark: Mark) -> None:
        ends, kinds = mark.effect
        if ends and self._open:
            self._close({kind for kind in self._open if "" in ends or kind in ends})
        if "" in ends:
            self._start_clause()
        for kind, before, after in kinds:
            if after is not None and (before is None or self._stands_behind(mark, after)):
                self._take_behind(mark, after)
            elif before is not None:
                if kind in ACTIONS:
                    self._close({other for other in self._open if other in ACTIONS})
                self._open[kind] = _Open(kind, mark, before, self._depth)

    def _behind(self, place: int, meaning: Meaning) -> int | None:
        """Give the nearest span of the clause before a place that a cue may speak of."""
        for i in range(self._next - 1, max(self._clause, self._next - 4) - 1, -1):
            if self.spans[i].end <= place and (meaning.labels is None or self.labels[i] in meaning.labels):
                return i
        return None

    def _stands_behind(self, mark: Mark, meaning: Meaning) -> bool:
        """Whether a cue that may stand on either side stands behind its span."""
        i = self._behind(mark.start, meaning)
        if i is None:
            return False
        rivals = ACTIONS if meaning.kind in ACTIONS else (meaning.kind,)
        if any(kind in self.found[i] for kind in rivals):
            return False
        return _NEXT_TO.match(self.note, self.spans[i].end, mark.start) is not None

    def _take_behind(self, mark: Mark, meaning: Meaning, fallback: bool = False) -> None:
        """Give a cue to the span that it follows, and to the list that the span ends."""
        last = self._behind(mark.start, meaning)
        if last is None and not fallback and self._next and self.spans[self._next - 1].end == mark.end:
            last = self._next - 1
        if last is None or (fallback and not _ASIDE.match(self.note, self.spans[last].end, mark.start)):
            return
        first = max(self._clause, self._taken.get(meaning.kind, 0), last - _LONGEST_CHAIN)
        if last < first:
            return
        cue = _record(self.note, meaning.kind, mark, "after")
        self._give(last, cue, fallback)
        single = meaning.near or cue.text.lower().startswith(_SINGULAR)
        joined = _JOINED_CLOSELY if single else _JOINED
        while last > first and not fallback:
            start, stop = self.spans[last - 1].end, self.spans[last].start
            if stop - start > _WIDEST_GAP or joined.match(self.note, start, stop) is None:
                break
            last -= 1
            self._give(last, cue, fallback)
        self._taken[meaning.kind] = self._next

    def _give(self, i: int, cue: Cue, fallback: bool) -> None:
        held = self.found[i]
        if cue.kind in ACTIONS:
            actions = [kind for kind in held if kind in ACTIONS]
            if actions and fallback:
                return
            for kind in actions:
                del held[kind]
        held.setdefault(cue.kind, cue)
