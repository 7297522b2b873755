"""Slow truth: naive twins of the vectorised code, written from its docstrings and read at a glance."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

LINE_BREAKS = "\n\v\f\r\x85\u2028\u2029"


def rate_gap(note: str, end: int, start: int) -> int:
    """How good the gap between two words is as a place to end a window: 0 edge of a word to 4 blank line."""
    gap = note[end:start]
    lines = count_line_ends(gap)
    if lines > 1:
        return 4
    if lines == 1:
        return 3
    if not gap:
        return 0
    return 2 if note[end - 1] in ".!?。" else 1


def count_line_ends(gap: str) -> int:
    """Line ends, where carriage returns before a newline, and one or a page break beside it, belong to it."""
    count = at = 0
    while at < len(gap):
        rest = gap[at:]
        head = rest.removeprefix("\f").lstrip("\r")
        if head.startswith("\n"):
            at += len(rest) - len(head) + 1
            at += gap[at : at + 1] in ("\r", "\f")
            count += 1
        else:
            count += gap[at] in LINE_BREAKS
            at += 1
    return count


def number_words(note: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """A new word after a gap, at a punctuation mark and after one; pieces of one character stay together."""
    numbers: list[int] = []
    for i, (start, _) in enumerate(offsets):
        if i == 0:
            numbers.append(0)
            continue
        before_start, before_end = offsets[i - 1]
        same_character = before_start <= start < before_end
        parts = start > before_end or is_punctuation(note[start : start + 1] or note[-1])
        parts = parts or is_punctuation(note[max(before_end, 1) - 1])
        numbers.append(numbers[-1] + (parts and not same_character))
    return numbers


def without_blanks(note: str, start: int, end: int) -> tuple[int, int]:
    """A token's offsets without the whitespace at its ends; a token of whitespace alone is empty at its end."""
    while start < end and note[start].isspace():
        start += 1
    while start < end and note[end - 1].isspace():
        end -= 1
    return start, end


def is_punctuation(char: str) -> bool:
    """BERT's definition of punctuation."""
    code = ord(char)
    if 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126:
        return True
    return unicodedata.category(char).startswith("P")


def plan_edges(cuts: Sequence[int], share: int) -> list[int]:
    """Where ownership changes: 0, the cuts, n."""
    n, edges = len(cuts), [0]
    while n - edges[-1] > share:
        start = edges[-1]
        remaining = n - start
        target = start + math.ceil(remaining / math.ceil(remaining / share))
        near = range(max(start + 1, target - 40), target + 1)
        best = max(near, key=lambda i: (cuts[i], i))
        if cuts[best] < 0:
            outside_words = [i for i in range(start + 1, target) if cuts[i] >= 0][-1:]
            outside_words += [i for i in range(target + 1, start + share + 1) if cuts[i] >= 0][:1]
            best = outside_words[0] if outside_words else start + share
        edges.append(best)
    return [*edges, n]


def softmax(row: Sequence[float]) -> list[float]:
    """Probabilities of one token."""
    top = max(row)
    powers = [math.exp(value - top) for value in row]
    return [power / sum(powers) for power in powers]


def read_words(
    logits: Sequence[Sequence[float]], word_ids: Sequence[int], vote: str
) -> list[tuple[int, int, int, float]]:
    """(first token, last token, label, score) of each word."""
    groups: list[list[int]] = []
    for i, word in enumerate(word_ids):
        if groups and vote != "simple" and word_ids[i - 1] == word:
            groups[-1].append(i)
        else:
            groups.append([i])
    rows = []
    for group in groups:
        each = [softmax(logits[i]) for i in group]
        if vote == "average":
            chosen = [sum(column) / len(each) for column in zip(*each, strict=True)]
        elif vote == "max":
            chosen = max(each, key=max)
        else:
            chosen = each[0]
        label = max(range(len(chosen)), key=chosen.__getitem__)
        rows.append((group[0], group[-1], label, chosen[label]))
    return rows


def group_spans(
    note: str,
    offsets: Sequence[tuple[int, int]],
    words: Sequence[tuple[int, int, int, float]],
    places: Sequence[tuple[str, str]],
) -> list[tuple[str, int, int, float]]:
    """(entity, start, end, score) of each span, before whitespace and marks at its ends are handled."""
    groups: list[list[tuple[int, int, str, str, float]]] = []
    joined = False
    for first, last, label, score in words:
        prefix, entity = places[label]
        if not prefix:
            joined = False
            continue
        word = (offsets[first][0], offsets[last][1], prefix, entity, score)
        if joined:
            _, end, before, same, _ = groups[-1][-1]
            lines = count_line_ends(note[end : word[0]])
            joined = same == entity and prefix not in "BSU" and before not in "ELSU" and lines < 2
        if joined:
            groups[-1].append(word)
        else:
            groups.append([word])
        joined = True
    return [(g[0][3], g[0][0], g[-1][1], sum(w[4] for w in g) / len(g)) for g in groups]
