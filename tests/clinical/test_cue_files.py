"""Cue files: the bundled ones, and a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinspan import InputError, Span
from clinspan.clinical import assertions, load_cues, sections


def kinds(note: str, word: str, **options: object) -> set[str]:
    """Give what a note says of a word in it."""
    start = note.index(word)
    [found] = assertions(note, [Span("PROBLEM", start, start + len(word), word, 1.0)], **options)  # type: ignore[arg-type]
    return {cue.kind for cue in found.cues}


def write(folder: Path, text: str) -> Path:
    """Write a cue file."""
    path = folder / "own.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_users_phrases_stand_beside_the_bundled_ones(tmp_path: Path) -> None:
    """A new phrase counts, and so do the old ones."""
    cues = load_cues(write(tmp_path, "[negated before]\nbereft of\n[section plan]\nBattle order\n"))
    assert kinds("bereft of fever", "fever") == set()
    assert kinds("bereft of fever", "fever", cues=cues) == {"negated"}
    assert kinds("no fever", "fever", cues=cues) == {"negated"}
    assert [each.kind for each in sections("Battle order: rest", cues=cues)] == ["plan"]


def test_a_users_meaning_of_a_phrase_replaces_the_bundled_one(tmp_path: Path) -> None:
    """A phrase under [nothing] is switched off; a kind may be the user's own."""
    cues = load_cues(write(tmp_path, "[nothing]\nno\n[chronic before near]\nlongstanding # always\n"))
    assert kinds("no fever", "fever", cues=cues) == set()
    assert kinds("longstanding fever", "fever", cues=cues) == {"chronic"}


def test_another_language_replaces_all_cues(tmp_path: Path) -> None:
    """Without the bundled files only the user's own count."""
    cues = load_cues(write(tmp_path, "[negated before]\n(kein|keine|keinen)\n[end]\naber\n"), bundled=False)
    assert kinds("keine Dyspnoe, aber Husten", "Dyspnoe", cues=cues) == {"negated"}
    assert kinds("keine Dyspnoe, aber Husten", "Husten", cues=cues) == set()
    assert kinds("no fever", "fever", cues=cues) == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bereft of\n", "line 1: a phrase before the first"),
        ("[negated]\nno\n", "line 1: not a header"),
        ("[]\nno\n", "line 1: not a header"),
        ("[negated sideways]\n", "line 1: not a header"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The error names the line."""
    with pytest.raises(InputError, match=message):
        load_cues(write(tmp_path, text))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing file and one that is not UTF-8."""
    with pytest.raises(InputError, match="No such file"):
        load_cues(tmp_path / "missing.txt")
    path = tmp_path / "latin.txt"
    path.write_bytes(b"[negated before]\n\xff\n")
    with pytest.raises(InputError, match="not UTF-8"):
        load_cues(path)
