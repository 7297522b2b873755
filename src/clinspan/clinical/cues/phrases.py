"""Phrases with choices, looked for word by word: a small automaton that is built as far as notes need it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple, cast

# These stand in a phrase for a number, and for a year of this century or the last.
NUMBER, YEAR = "<n>", "<year>"

# A word, an abbreviation with points, or a sign that phrases may hold; a note's words are cut the same way.
WORD = r"(?:[^\W\d_]\.){2,}[^\W\d_]?(?![^\W_])|[^\W_]+(?:(?:[-']|(?<=\d)[.,](?=\d))[^\W_]+)*|[/?]"
_PIECE = re.compile(rf"<year>|<n>[^\W_]?(?:-[^\W_]+)*|{WORD}")
_GROUP = re.compile(r"\(([^()]*)\)")


class Meaning(NamedTuple):
    """The effect of a phrase.

    Attributes:
        kind: what it says of a span; for an end, the kind whose reach it ends, empty for all kinds.
        where: `before` or `after` the span, or `end`.
        near: whether it reaches the nearest span only, and what is joined to it by "and" or "or".
        labels: labels that it speaks of, None for all.
    """

    kind: str
    where: str
    near: bool = False
    labels: frozenset[str] | None = None


class Effect(NamedTuple):
    """All that a phrase does, sorted for the walk over a note.

    Attributes:
        ends: kinds whose reach it ends; empty text for all of them.
        kinds: (kind, meaning before a span, meaning after it) of each kind that it speaks of.
    """

    ends: frozenset[str]
    kinds: tuple[tuple[str, Meaning | None, Meaning | None], ...]


def effect(meanings: Iterable[Meaning]) -> Effect:
    """Sort the meanings of a phrase."""
    held: dict[str, dict[str, Meaning]] = {}
    ends = set()
    for meaning in meanings:
        if meaning.where == "end":
            ends.add(meaning.kind)
        else:
            held.setdefault(meaning.kind, {}).setdefault(meaning.where, meaning)
    kinds = tuple((kind, by.get("before"), by.get("after")) for kind, by in sorted(held.items()))
    return Effect(frozenset(ends), kinds)


class State:
    """A set of places in phrases that the words so far lead to.

    Attributes:
        places: numbers of the places.
        next: what the next word leads to, as places until a note asks for it and as a state from then on.
        effect: what the phrase that ends here does, None where no phrase ends.
    """

    __slots__ = ("effect", "next", "places")

    def __init__(self, places: frozenset[int]) -> None:
        self.places = places
        self.next: dict[str, State | frozenset[int]] = {}
        self.effect: Effect | None = None


_ROOT = frozenset({0})


class PhraseTable:
    """Phrases of cue files and what they mean.

    Phrases are kept as written, choices and all: written out they are forty times as many.
    """

    def __init__(self) -> None:
        self._edges: list[dict[str, set[int]]] = [{}]
        self._accepts: dict[int, list[tuple[int, tuple[Meaning, ...]]]] = {}
        self._states: dict[frozenset[int], State] = {}

    def add(self, phrase: str, meanings: tuple[Meaning, ...], rank: int) -> None:
        """Add a phrase; meanings of one rank add up, those of a higher rank replace the lower."""
        places = {0}
        for choices in _choices(phrase.lower()):
            reached: set[int] = set()
            join = self._place()
            for choice in choices:
                words = _PIECE.findall(choice)
                if words:
                    self._lead(places, words, join)
                    reached.add(join)
                else:
                    reached |= places
            places = reached
        for place in places - {0}:
            self._accepts.setdefault(place, []).append((rank, meanings))
        self._states.clear()

    def _place(self) -> int:
        self._edges.append({})
        return len(self._edges) - 1

    def _lead(self, places: set[int], words: list[str], join: int) -> None:
        for word in words[:-1]:
            between = self._place()
            for place in places:
                self._edges[place].setdefault(word, set()).add(between)
            places = {between}
        for place in places:
            self._edges[place].setdefault(words[-1], set()).add(join)

    def root(self) -> State:
        """Give the state before the first word."""
        return self._state(_ROOT)

    def step(self, state: State, word: str) -> State | None:
        """Give the state that a word leads to, None where no phrase goes on with it."""
        reached = state.next.get(word)
        if reached is None or type(reached) is State:
            return reached
        reached = state.next[word] = self._state(cast("frozenset[int]", reached))
        return reached

    def _state(self, places: frozenset[int]) -> State:
        state = self._states.get(places)
        if state is not None:
            return state
        state = State(places)
        leads: dict[str, set[int]] = {}
        for place in places:
            for word, reached in self._edges[place].items():
                leads.setdefault(word, set()).update(reached)
        state.next = {word: frozenset(reached) for word, reached in leads.items()}
        ends = [end for place in sorted(places) for end in self._accepts.get(place, ())]
        if ends:
            rank = max(rank for rank, _ in ends)
            kept = [meaning for of, meanings in ends if of == rank for meaning in meanings]
            state.effect = effect(kept)
        self._states[places] = state
        return state


def expand(phrase: str) -> Iterator[str]:
    """Write out the choices of a phrase.

    >>> list(expand("no (acute|) pain"))
    ['no acute pain', 'no  pain']
    """
    for parts in product(*_choices(phrase)):
        yield "".join(parts)


def _choices(phrase: str) -> list[list[str]]:
    pieces = [piece.split("|") if i % 2 else [piece] for i, piece in enumerate(_GROUP.split(phrase))]
    return [choices for choices in pieces if choices != [""]]
