"""The text of HL7 version 2 messages: OBX segments of ORU and MDM messages, and NTE comments.

Written as documented in chapters 2 and 7 of the standard (http://www.hl7.eu/HL7v2x/v251/std251/ch02.html). The text is the
values of the text observations (types TX, FT, ST and none), one below the other, with the escapes replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from clinspan.errors import InputError

_TEXT_TYPES = ("TX", "FT", "ST", "")
# Three letters or digits, and the end or a character that separates fields.
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}(?:[^\w\s]|$)")
# Formatting commands of FT that begin a new line; the others change how text looks.
_NEW_LINE = re.compile(r"\.(br|sp|ce)\b")


def messages(text: str, where: str) -> Iterator[str]:
    """Yield the text of each message in a file, in order.

    Raises:
        InputError: it holds no message, a line that is not a segment, a message without text, or a document in another
            format.
    """
    segments = _segments(text)
    starts = [place for place, line in enumerate(segments) if line.startswith("MSH")]
    if not starts:
        raise InputError(f"{where}: no MSH segment, expected an HL7 version 2 message")
    for number, segment in enumerate(segments, start=1):
        if not _SEGMENT.match(segment):
            raise InputError(
                f"{where}, segment {number}: does not begin with the name of a segment; a line end inside a value is "
                "written \\.br\\"
            )
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], len(segments)], strict=True), start=1):
        named = where if len(starts) == 1 else f"{where}, message {number}"
        yield _message(segments[start:stop], named)


def _segments(text: str) -> list[str]:
    """Split a file at the ends of its segments: carriage returns, as the standard says, or line ends for want of any."""
    # Beside carriage returns, a line feed is of a value, unless a segment begins behind it.
    ends = r"\r\n?|[\x0b\x1c]|\n(?=[A-Z][A-Z0-9]{2}\|)" if "\r" in text else r"[\n\x0b\x1c]"
    lines = (line.strip("\n ") for line in re.split(ends, text.lstrip("\ufeff")))
    return [line for line in lines if line]


def _message(segments: list[str], where: str) -> str:
    header = segments[0]
    if len(header) < 8:
        raise InputError(f"{where}: the MSH segment is cut off")
    field, repetition, escape = header[3], header[5], header[6]
    lines: list[str] = []
    for segment in segments[1:]:
        fields = segment.split(field)
        if fields[0] == "NTE" and len(fields) > 3:
            lines += _values(fields[3], repetition, escape, header)
        if fields[0] != "OBX" or len(fields) < 6:
            continue
        if fields[2] in ("ED", "RP"):
            raise InputError(f"{where}: an OBX segment holds a document in another format: take it out first")
        if fields[2] in _TEXT_TYPES:
            lines += _values(fields[5], repetition, escape, header)
    if not any(lines):
        raise InputError(f"{where}: no OBX segment with text")
    return "\n".join(lines)


def _values(value: str, repetition: str, escape: str, header: str) -> list[str]:
    return [_unescaped(one, escape, header) for one in value.split(repetition)]


def _unescaped(text: str, escape: str, header: str) -> str:
    plain = {"F": header[3], "S": header[4], "R": header[5], "E": header[6], "T": header[7], "H": "", "N": ""}

    def replaced(found: re.Match[str]) -> str:
        code = found[1]
        if code in plain:
            return plain[code]
        if code.startswith("."):
            return "\n" if _NEW_LINE.match(code) else ""
        if re.fullmatch(r"X([0-9A-Fa-f]{2})+", code):
            return bytes.fromhex(code[1:]).decode("latin-1")
        return found[0]

    mark = re.escape(escape)
    return re.sub(rf"{mark}([^{mark}\s]{{1,40}}(?: \d+)?){mark}", replaced, text)
