"""Characters that are written in several code points: no edge of a span lies inside one."""

from __future__ import annotations

import random

import pytest

from clinspan.text.graphemes import Clusters, is_control, is_visible

# Text, and the edges of what a reader sees as its characters; UAX #29, and its test file's kinds.
CHARACTERS = {
    "letters": ("ab", [0, 1, 2]),
    "accent": ("e\u0301a", [0, 2, 3]),
    "jamo": ("\u1112\u1161\u11ab\u1100\u1173\u11af", [0, 3, 6]),
    "syllable and jamo": ("\uac00\u11a8\uac01", [0, 2, 3]),
    "flags": ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", [0, 2, 4]),
    "flag of a region": ("\U0001f3f4\U000e0067\U000e0062\U000e007fa", [0, 4, 5]),
    "profession": ("\U0001f468\u200d\u2695\ufe0fa", [0, 4, 5]),
    "skin tone": ("\U0001f9d1\U0001f3fda", [0, 2, 3]),
    "Thai": ("\u0e19\u0e49\u0e33\u0e19", [0, 3, 4]),
    "halfwidth": ("\uff8a\uff9fa", [0, 2, 3]),
    "Devanagari": ("\u0915\u094d\u0937\u093f\u0915", [0, 4, 5]),
    "Persian": ("\u0645\u200c\u062e", [0, 2, 3]),
    "number sign": ("\u06001a", [0, 2, 3]),
    "byte order mark": ("\ufeffa\u200bb", [0, 1, 2, 3, 4]),
}


@pytest.mark.parametrize("kind", CHARACTERS)
def test_edges_are_those_that_a_reader_sees(kind: str) -> None:
    """Asked from both sides of each place."""
    text, edges = CHARACTERS[kind]
    clusters = Clusters(text)
    for place in range(len(text) + 1):
        assert clusters.start(place) == max(edge for edge in edges if edge <= place)
        assert clusters.end(place) == min(edge for edge in edges if edge >= place)


def test_no_edge_lies_inside_a_cluster_of_unicode() -> None:
    """Against the module regex, on what combines and on anything else."""
    regex = pytest.importorskip("regex")
    chance = random.Random(3)
    parts = [*{char for text, _ in CHARACTERS.values() for char in text}]
    others = [chr(code) for code in [*range(0x20, 0x3100), *range(0xA000, 0xD800), *range(0xF900, 0x11F80)]]
    for _ in range(5000):
        pool = (parts, others)
        text = "".join(chance.choice(chance.choice(pool)) for _ in range(chance.randint(1, 9)))
        seen = {match.end() for match in regex.finditer(r"\X", text)} | {0}
        clusters = Clusters(text)
        ours = {place for place in range(len(text) + 1) if clusters.end(place) == place}
        assert ours <= seen, ascii(text)


def test_the_time_grows_with_the_text_alone() -> None:
    """A run of a hundred thousand flags is walked once, not once for each flag."""
    text = "\U0001f1e9" * 100_000
    clusters = Clusters(text)
    assert [clusters.end(place) for place in range(1, 99_999, 2)] == [*range(2, 100_000, 2)]


@pytest.mark.parametrize("text", ["\u200d", "\u200c ", "\x0b\x1f", "\ufeff", "\u2066"], ids=ascii)
def test_what_shows_nothing_is_told(text: str) -> None:
    """A joiner, a control, a format or whitespace, alone."""
    assert not is_visible(text)
    assert is_visible(f"{text}a")
    assert is_control(text[0]) == (text[0] not in "\u200c\u200d")


def test_many_spans_in_one_run_of_marks_are_looked_at_in_one_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model may find a span at every mark of a long run: the run's ends are not looked for from each of them."""
    looked = 0
    real = Clusters.is_edge

    def counting(self: Clusters, place: int) -> bool:
        nonlocal looked
        looked += 1
        return real(self, place)

    text = "a" + 2_000 * "\u0301" + "b"
    naive = Clusters(text)
    expected = [(naive.start(place), naive.end(place)) for place in (1, 1_000, 2_000)]
    monkeypatch.setattr(Clusters, "is_edge", counting)
    clusters = Clusters(text)
    found = [(clusters.start(place), clusters.end(place)) for place in range(1, 2_001)]
    assert set(found) == set(expected) == {(0, 2_001)}
    assert looked < 20 * len(text)
