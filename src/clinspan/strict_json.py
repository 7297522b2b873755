"""Read JSON that nobody checked: the only place in the package that parses it.

Python's own reader takes the last of two equal keys, NaN, and numbers too large for a float. Here each of
these is an error, so that no two readers of a file can disagree on what it says. The fields of an object are
checked as they are taken.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clinspan.errors import BundleError, InputError

# The largest manifests hold a report on each of thousands of notes, and stay below a tenth of this.
MAX_JSON_BYTES = 8 * 2**20
MAX_NAME = 200

# Strings, commas and beginnings of objects and lists in one JSON text: each takes up to some 80 bytes once it is parsed.
MAX_PARTS = 4_000_000

_PIECE = 2**20
_PART = re.compile(r'["\[{,]')


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a file without ever taking more than `limit` bytes into memory.

    Raises:
        BundleError: it is longer, or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return _read_stream(stream, limit, path)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error


def _read_stream(stream: BinaryIO, limit: int, path: Path) -> bytes:
    """Read piece by piece: memory is asked for as the file needs it, not as much as the limit allows."""
    pieces = []
    size = 0
    while piece := stream.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise BundleError(f"{path} is larger than {limit} bytes, the most that is read of such a file")
    return b"".join(pieces)


def parse_json(
    content: bytes | str, where: str, *, error: Callable[[str], Exception] = InputError, quotes: bool = False
) -> Any:
    """Read a JSON value.

    Args:
        content: the text, or its bytes in UTF-8.
        where: file, or file and line, for the message.
        error: makes the error from the message; InputError by default.
        quotes: whether the message may quote keys and numbers. Never where the JSON may hold a note.

    Raises:
        InputError: not JSON, not UTF-8, a key given twice, NaN, infinity, a number too large, nested too deeply, or of
            more parts than `MAX_PARTS`.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        _bound(text)
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except _RefusedError as refused:
        problem = refused.quoting if quotes else str(refused)
    except json.JSONDecodeError as wrong:
        problem = f"at {'' if wrong.lineno == 1 else f'line {wrong.lineno}, '}column {wrong.colno}"
    except RecursionError:
        problem = "nested too deeply"
    except UnicodeError:
        problem = "not UTF-8 text"
    except ValueError:
        problem = "a number has too many digits"
    # Raised out here: Python's own errors hold the whole text, and `from None` would only hide them.
    raise error(f"{where}: not valid JSON: {problem}")


def parse_object(
    content: bytes | str, where: str, *, error: Callable[[str], Exception] = InputError, quotes: bool = False
) -> dict[str, Any]:
    """Read a JSON object; as `parse_json`, and any other value is an error too."""
    value = parse_json(content, where, error=error, quotes=quotes)
    if not isinstance(value, dict):
        raise error(f"{where}: {kind(value)}, expected a JSON object")
    return value


def kind(value: object) -> str:
    """Say what a JSON value is, for a message: `a list`, or `missing` for null and a field that is not there."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "missing"}
    return names.get(type(value), "a number")


def canonical(data: object) -> bytes:
    """Write a JSON value in the one way that does not depend on its layout and the order of its keys."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def brief(value: object) -> str:
    """Write a value for a message: printable, and short whatever the file holds."""
    try:
        shown = repr(value)
    except RecursionError:
        shown = f"a {type(value).__name__}"
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


class _RefusedError(ValueError):
    """JSON that Python reads and this module does not; `quoting` is its message with the key or number in it."""

    def __init__(self, message: str, quoting: str) -> None:
        super().__init__(message)
        self.quoting = quoting


def _bound(text: str) -> None:
    """Refuse JSON that would take many times its own size in memory; what stands inside a string is not counted."""
    if len(text) <= MAX_PARTS or sum(map(text.count, '"[{,')) <= MAX_PARTS:
        return
    past_string = json.JSONDecoder().raw_decode
    parts = at = 0
    while found := _PART.search(text, at):
        parts += 1
        if parts > MAX_PARTS:
            message = f"more than {MAX_PARTS:,} values in one JSON text"
            raise _RefusedError(message, message)
        at = past_string(text, found.start())[1] if found[0] == '"' else found.end()


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise _RefusedError("a key is given twice", f"the key {brief(twice)} is given twice")
    return data


def _no_constant(name: str) -> None:
    message = f"{name} is not a JSON number"
    raise _RefusedError(message, message)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _RefusedError("a number is too large", f"the number {brief(digits)} is too large")
    return number


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object whose fields are checked as they are taken; `source` is its file, for messages."""

    data: dict[str, Any]
    source: Path

    @classmethod
    def parse(cls, content: bytes, source: Path) -> Fields:
        """Read the JSON object of a model folder's file.

        Raises:
            BundleError: as `parse_json`, or it cannot be written as UTF-8 again.
        """
        data = parse_object(content, str(source), error=BundleError, quotes=True)
        try:
            canonical(data)
        except UnicodeError as error:
            raise BundleError(f"{source}: not valid JSON: not UTF-8 text") from error
        except RecursionError:
            raise BundleError(f"{source}: not valid JSON: nested too deeply") from None
        return cls(data, source)

    def get(self, name: str, kind: type, default: Any = None) -> Any:
        """Take a field of a type; the default where it is missing."""
        value = self.data.get(name, default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            found = "missing" if name not in self.data else f"a {type(value).__name__}"
            raise BundleError(f"{self.source}: {brief(name)[1:-1]} is {found}, expected a {kind.__name__}")
        return value

    def number(self, name: str, *, least: int, most: int) -> int:
        """Take an integer in a range."""
        value: int = self.get(name, int)
        if not least <= value <= most:
            raise BundleError(f"{self.source}: {name} is {brief(value)}, expected {least} to {most}")
        return value

    def text(self, name: str) -> str:
        """Take a short string without control characters."""
        return self._short(name, self.get(name, str))

    def texts(self, name: str) -> list[str]:
        """Take a list of such strings."""
        values = self.get(name, list)
        if not all(isinstance(value, str) for value in values):
            raise BundleError(f"{self.source}: {name} is not a list of strings")
        return [self._short(name, value) for value in values]

    def texts_by_name(self, name: str) -> dict[str, str]:
        """Take an object of such strings; an empty one where it is missing."""
        values = self.get(name, dict, {})
        if not all(isinstance(value, str) for value in values.values()):
            raise BundleError(f"{self.source}: {name} is not an object of strings")
        return {self._short(name, key): self._short(name, value) for key, value in values.items()}

    def inside(self, *names: str) -> Fields:
        """Take the object that names lead to, one inside the other."""
        fields = self
        for name in names:
            fields = Fields(fields.get(name, dict), self.source)
        return fields

    def _short(self, name: str, value: str) -> str:
        # A terminal obeys control characters in a label as it does in anything that is printed.
        if len(value) > MAX_NAME or not value.isprintable():
            raise BundleError(
                f"{self.source}: {name} holds {brief(value)}: expected at most {MAX_NAME} printable characters"
            )
        return value
