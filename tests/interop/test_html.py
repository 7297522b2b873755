"""A highlighted note: the note itself to the character, safe to open, readable for colour-blind readers."""

from __future__ import annotations

import re
from html import unescape
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.marked_note import NOTE, spans

import clinspan
from clinspan import Span
from clinspan.clinical import assertions
from clinspan.extract.inputs.entry import Note
from clinspan.extract.outcomes import Result
from clinspan.interop.colours import COLOURS, colour, ink
from clinspan.interop.html import page, section

# Machado et al. 2009, full severity, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]
WHITE = (0.95047, 1.0, 1.08883)


def linear(colour: str) -> npt.NDArray[np.float64]:
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """CIE Lab of linear RGB."""
    ratio = np.array(TO_XYZ) @ np.clip(rgb, 0, 1) / WHITE
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_labels_can_be_told_apart(sight: str) -> None:
    """Their colours are at least 20 apart in CIE Lab, where 2 can just be seen, for every kind of sight."""
    seen = {label: lab(np.array(SIGHT[sight]) @ linear(colour)) for label, colour in COLOURS.items()}
    distance = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in combinations(seen, 2)}
    assert len(COLOURS) == 10
    assert min(distance.values()) > 20, min(distance, key=lambda pair: distance[pair])


@pytest.mark.parametrize("label", COLOURS)
def test_a_label_can_be_read_on_its_colour(label: str) -> None:
    """The contrast that WCAG 2 asks of text, 4.5 to 1."""
    back, front = (
        float(np.dot([0.2126, 0.7152, 0.0722], linear(one))) for one in (colour(label), ink(colour(label)))
    )
    assert (max(back, front) + 0.05) / (min(back, front) + 0.05) > 4.5


def text_of(markup: str) -> str:
    (inside,) = re.findall(r'<pre class="clinspan">\n(.*?)</pre>', markup, re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", inside))


def test_the_text_on_the_page_is_the_note() -> None:
    """Labels are drawn by the style sheet, so copying gives the note."""
    assert text_of(section(NOTE, spans(), assertions=assertions(NOTE, spans()))) == NOTE


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), min_size=1))
def test_any_text_is_shown_as_it_is(note: str) -> None:
    """Markup, quotation marks and all, inside a span and outside."""
    shown = section(note, [Span(note[:5], 0, 1, note[0], 0.5)])
    assert text_of(shown) == note
    assert len(re.findall("<mark", shown)) == 1


def test_a_notebook_shows_the_note_and_a_file_is_a_page() -> None:
    """`clinspan.html` and a result have `_repr_html_`."""
    shown = clinspan.html(NOTE, spans())
    assert shown._repr_html_() == shown
    assert "<mark" in Result(Note("a", NOTE), spans())._repr_html_()
    assert page(section(NOTE, spans()), title="a <b>").count("&lt;b&gt;") == 2


def test_overlapping_spans_are_refused() -> None:
    """Only one can be highlighted."""
    with pytest.raises(clinspan.InputError, match="overlaps"):
        section("aspirin", [Span("A", 0, 7, "aspirin", 1.0), Span("B", 2, 7, "pirin", 1.0)])
