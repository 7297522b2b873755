"""The head of an HTTP request, its first line and its headers: read whole and in time, and refused where readers could differ.

What two servers read differently lets a request hide in another one's body, so RFC 9112 is taken by the letter:
https://www.rfc-editor.org/rfc/rfc9112#section-5.
"""

from __future__ import annotations

import io
import re
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass

# Far more than any client sends; the standard library alone would keep megabytes for each connection.
MAX_HEAD = 65_536

_FIRST = re.compile(rb"[A-Za-z]+ [!-~]+ HTTP/1\.[01]\r?\n")
_HEADER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r?\n")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request: its first line and its headers, with the empty line behind them."""

    first: bytes
    headers: bytes


class HeadError(Exception):
    """A head that is not taken, and the status to answer with."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class TimedReader(io.RawIOBase):
    """A connection's bytes, until a moment: each read of a socket has a time of its own, and many reads might never end.

    Attributes:
        ends: on the monotonic clock, when reading raises TimeoutError.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.ends = 0.0
        self._connection = connection

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Read some bytes; 0 at the end."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)  # type: ignore[arg-type]


def read_head(stream: io.BufferedIOBase) -> Head | None:
    """Read a head; None where the connection ends before it does.

    Raises:
        HeadError: it is too large, or not one by the letter.
        TimeoutError: it did not come in time.
    """
    lines: list[bytes] = []
    size = 0
    while True:
        line = stream.readline(MAX_HEAD - size + 1)
        size += len(line)
        if size > MAX_HEAD:
            raise HeadError(431)
        if not line.endswith(b"\n"):
            return None
        if line in (b"\r\n", b"\n"):
            if lines:
                return Head(lines[0], b"".join(lines[1:]) + line)
            continue  # empty lines before a request mean nothing
        if not (_HEADER if lines else _FIRST).fullmatch(line):
            raise HeadError(400)
        lines.append(line)


def has_one_length(names: Iterable[str]) -> bool:
    """Say whether headers of these names, each as often as it was sent, give a body's length in one way at most."""
    said = [name for name in names if name.lower() in ("content-length", "transfer-encoding")]
    return len(said) <= 1
