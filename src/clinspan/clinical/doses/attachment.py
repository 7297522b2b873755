"""Which drug each part of a regimen belongs to.

Drugs that nothing but a connector joins form a group. The parts between two groups are cut once, where the text holds
them furthest apart: those before the cut belong to the group before, the rest to the group behind. Parts are in text
order on both sides, so that attachments never cross.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from clinspan.clinical.cues.scan import BLANK, SENTENCE
from clinspan.clinical.doses.gaps import CLOSING, Gap
from clinspan.clinical.records import SpanLike

_OF = re.compile(r"\s+of\s+(?:(?:the|a|an|his|her)\s+)?$", re.IGNORECASE)
_ALL = re.compile(r"\b(?:both|each|all|all of (?:them|these)|the two|the three)\b", re.IGNORECASE)
_RESPECTIVELY = re.compile(r"[\s,)]*respectively\b", re.IGNORECASE)
_ITEM_JOIN = re.compile(r"\s*(?:,|/|and|or|,\s*and)\s*", re.IGNORECASE)
_BRACKET = re.compile(r"\s*[(\[]\s*")
_SINGLE = ("STRENGTH", "DOSAGE")


@dataclass(slots=True)
class Item:
    """A span with its meaning, and what stands before it.

    Attributes:
        span: the caller's span.
        label: DRUG or the label of a part.
        gap: what stands between the item before and this one.
        drugs: for a part, the numbers of the items it belongs to.
        alias: for a drug, whether it only names the drug before it again: "furosemide (Lasix)".
    """

    span: SpanLike
    label: str
    gap: Gap
    drugs: list[int] = field(default_factory=list)
    alias: bool = False


def attach(note: str, items: Sequence[Item]) -> None:
    """Give every part its drugs, stretch by stretch; a stretch ends with its sentence, line or list item."""
    for i in range(1, len(items)):
        items[i].alias = _is_alias(note, items, i)
    start = 0
    last: list[int] = []
    for stop in range(1, len(items) + 1):
        if stop < len(items) and items[stop].gap.level < 0:
            continue
        if items[start].gap.level == BLANK:
            last = []
        last = _attach_stretch(note, items, start, stop, last)
        start = stop


def _attach_stretch(note: str, items: Sequence[Item], start: int, stop: int, before: list[int]) -> list[int]:
    """Attach the parts of one stretch; one without a drug speaks of the drugs before it, which are given back."""
    groups = _groups(items, start, stop)
    if not groups:
        if before:
            sentence = items[start].gap.level == SENTENCE
            owners = before if sentence else before[-1:]
            # A sentence that says no more than a time speaks of the illness: "After six months she was well."
            if not sentence or any(item.label != "DURATION" for item in items[start:stop]):
                _attach_behind(note, items, list(range(start, stop)), owners)
        return before
    _attach_before(items, list(range(start, groups[0][0])), groups[0])
    for group, following in zip(groups, [*groups[1:], None], strict=True):
        end = stop if following is None else following[0]
        run = [i for i in range(group[-1] + 1, end) if not items[i].alias]
        cut = len(run) if following is None else _cut(items, run, following[0])
        _attach_behind(note, items, run[:cut], group)
        if following is not None:
            _attach_before(items, run[cut:], following)
    _share_behind(items, start, stop, [drug for group in groups for drug in group])
    return groups[-1]


def _is_alias(note: str, items: Sequence[Item], i: int) -> bool:
    if items[i].label != "DRUG" or items[i - 1].label != "DRUG" or not _BRACKET.fullmatch(items[i].gap.text):
        return False
    behind = note[items[i].span.end : items[i].span.end + 3].lstrip("®™ ")[:1]
    part_follows = i + 1 < len(items) and items[i + 1].label != "DRUG"
    return behind == ")" or (behind in (",", ";") and part_follows)


def _groups(items: Sequence[Item], start: int, stop: int) -> list[list[int]]:
    groups: list[list[int]] = []
    for i in range(start, stop):
        if items[i].label != "DRUG" or items[i].alias:
            continue
        behind = i - 1 if not items[i - 1].alias else i - 2
        if groups and groups[-1][-1] == behind and items[i].gap.joins:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _cut(items: Sequence[Item], run: Sequence[int], drug: int) -> int:
    """Say how many parts of a run belong to the drug before it: cut at the widest gap, the last of equals."""
    gaps = [items[i].gap.strength - (CLOSING if items[i - 1].alias else 0) for i in run]
    behind = items[drug].gap
    gaps.append(-1 if run and _OF.fullmatch(behind.text) else behind.strength)
    best = max(gaps)
    return len(gaps) - 1 - gaps[::-1].index(best)


def _attach_before(items: Sequence[Item], run: Sequence[int], group: Sequence[int]) -> None:
    """Attach parts to the group that they stand before; only amounts belong to its first drug alone."""
    for i in run:
        items[i].drugs = [group[0]] if items[i].label in _SINGLE else list(group)


def _attach_behind(note: str, items: Sequence[Item], run: Sequence[int], group: Sequence[int]) -> None:
    """Attach parts to the group that they stand behind; an amount, and what follows it, is the last drug's."""
    if _in_turn(note, items, run, group):
        for i, drug in zip(run, group, strict=True):
            items[i].drugs = [drug]
        return
    alone = False
    for i in run:
        alone = alone or items[i].label in _SINGLE
        shared = not alone or _ALL.search(items[i].gap.text)
        items[i].drugs = list(group) if shared else [group[-1]]


def _in_turn(note: str, items: Sequence[Item], run: Sequence[int], group: Sequence[int]) -> bool:
    """Whether the parts are one for each drug: "A and B 10 mg and 20 mg", "respectively"."""
    if len(group) < 2 or len(run) != len(group) or len({items[i].label for i in run}) > 1:
        return False
    if _RESPECTIVELY.match(note, items[run[-1]].span.end):
        return True
    return all(_ITEM_JOIN.fullmatch(items[i].gap.text) for i in run[1:])


def _share_behind(items: Sequence[Item], start: int, stop: int, drugs: Sequence[int]) -> None:
    """Share the last schedule of a list with the drugs before that have none: "A 1 mg and B 2 mg, both daily"."""
    order = {drug: place for place, drug in enumerate(drugs)}
    has: dict[int, set[str]] = {drug: set() for drug in drugs}
    for item in items[start:stop]:
        for drug in item.drugs:
            has[drug].add(item.label)
    for i in range(start, stop):
        item = items[i]
        if item.label in (*_SINGLE, "DRUG", "FORM") or not item.drugs or item.drugs[0] > i:
            continue
        every = _ALL.search(item.gap.text) is not None or _follows_shared(items, i)
        for place in range(order[item.drugs[0]], 0, -1):
            earlier, later = drugs[place - 1], drugs[place]
            if item.label in has[earlier]:
                break
            if not every and not _parallel(items, earlier, later, item, has[earlier]):
                break
            item.drugs.insert(0, earlier)
            has[earlier].add(item.label)


def _follows_shared(items: Sequence[Item], i: int) -> bool:
    """Whether a part goes on from one that is shared: "all once daily for two months"."""
    before = items[i - 1]
    return (
        before.label not in (*_SINGLE, "DRUG", "FORM") and len(before.drugs) > 1 and items[i].gap.strength < 2
    )


def _parallel(items: Sequence[Item], earlier: int, later: int, item: Item, has: set[str]) -> bool:
    """Whether two drugs stand side by side, each with its amount, so that what follows is said of both."""
    if not has.intersection(_SINGLE) or item.label == "ROUTE":
        return False
    first = next(
        i for i in range(earlier + 1, later + 1) if later in (*items[i].drugs, *([i] if i == later else []))
    )
    if not items[first].gap.joins:
        return False
    return item.label == "DURATION" or "," in item.gap.text or "+" in items[first].gap.text
