"""Cue files: plain text that says which words mean what. A user extends or replaces the bundled ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from clinspan.clinical.cues.phrases import Meaning, PhraseTable, expand
from clinspan.errors import InputError

BUNDLED = Path(__file__).parent

_TITLE_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


class Title(NamedTuple):
    """A heading: the kind of its section, and what it says of the spans below it."""

    kind: str
    effects: tuple[str, ...]


class CueSet(NamedTuple):
    """Cues ready to be looked for.

    Attributes:
        phrases: the phrases and what they mean.
        titles: headings by their title as `title_key` writes it.
        effects: what a section of some kind says of the spans in it, by kind.
    """

    phrases: PhraseTable
    titles: dict[str, Title]
    effects: dict[str, tuple[str, ...]]


def load_cues(*paths: str | Path, bundled: bool = True) -> CueSet:
    """Read cue files of your own, beside the bundled ones or in their place.

    Args:
        paths: text files in the form that the head of `cues/negation.txt` describes; a later file's meaning of a
            phrase replaces an earlier one's.
        bundled: whether the bundled cues count too; False for another language.

    Raises:
        InputError: a file cannot be read, or a line of it is not understood.
    """
    cues = CueSet(PhraseTable(), {}, {})
    # The bundled files are one body: what a phrase means in two of them adds up.
    ranked = [(path, 0) for path in sorted(BUNDLED.glob("*.txt"))] if bundled else []
    ranked += [(Path(path), rank) for rank, path in enumerate(paths, 1)]
    for path, rank in ranked:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise InputError(f"{path}: not UTF-8: convert it first") from None
        _read(cues, text.splitlines(), path, rank)
    return cues


@cache
def bundled_cues() -> CueSet:
    """Read the bundled cues, once in a process."""
    return load_cues()


def title_key(title: str) -> str:
    """Write a heading's title as titles are compared: without case, signs and the word "and".

    >>> title_key("3. Assessment & Plan:")
    '3 assessment plan'
    """
    return " ".join(word for word in _TITLE_WORD.findall(title.lower()) if word != "and")


def _read(cues: CueSet, lines: Iterable[str], path: Path, rank: int) -> None:
    header: tuple[Meaning, ...] | Title | None = None
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if text.startswith("["):
            header = _header(text, f"{path}, line {number}")
            if isinstance(header, Title):
                cues.effects[header.kind] = header.effects
        elif header is None:
            raise InputError(f"{path}, line {number}: a phrase before the first [header]")
        elif isinstance(header, Title):
            for phrase in expand(text):
                cues.titles[title_key(phrase)] = header
        else:
            cues.phrases.add(text, header, rank)


def _header(text: str, where: str) -> tuple[Meaning, ...] | Title:
    words, _, labels = text.strip("[]").partition(" for ")
    kind, *rest = words.split() or [""]
    if kind == "section" and rest:
        return Title(rest[0], tuple(rest[1:]))
    if kind == "nothing" and not rest:
        return ()
    if kind == "end":
        return tuple(Meaning(each, "end") for each in rest or [""])
    near = rest[-1:] == ["near"]
    *kinds, direction = [kind, *rest][: -1 if near else None]
    directions = ("before", "after") if direction == "both" else (direction,)
    if not kinds or direction not in ("before", "after", "both") or not text.endswith("]"):
        raise InputError(
            f"{where}: not a header: expected [KIND before], [KIND after], [KIND both], [end], [nothing] "
            "or [section KIND]"
        )
    only = frozenset(labels.split()) or None
    return tuple(Meaning(each, where, near, only) for each in kinds for where in directions)
