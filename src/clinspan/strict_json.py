"""Strict JSON: a file that nobody checked becomes an object whose fields are checked as they are taken.

Python's own reader takes the last of two equal keys, NaN, and numbers too large for a float. Here each of
these is an error, so that no two readers of a file can disagree on what it says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinspan.errors import BundleError

# The largest manifests hold a report a note for thousands of notes, and stay below a tenth of this.
MAX_JSON_BYTES = 8 * 2**20
MAX_NAME = 200


def read_bytes(path: Path, limit: int) -> bytes:
    """What a file holds; never more than `limit` bytes are taken into memory.

    Raises:
        BundleError: it is longer, or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > limit:
        raise BundleError(f"{path} is larger than {limit} bytes, the most that is read of such a file")
    return content


def parse_object(content: bytes, source: Path) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        content: the file's bytes.
        source: the file, for messages.

    Raises:
        BundleError: no JSON object in UTF-8, a key given twice, NaN or infinity, or nested too deep.
    """
    try:
        data = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        canonical(data)
    except RecursionError:
        raise BundleError(f"{source} is not readable JSON: nested too deep") from None
    except UnicodeError as error:
        raise BundleError(f"{source} is not readable JSON: not UTF-8 text") from error
    except ValueError as error:
        raise BundleError(f"{source} is not readable JSON: {error}") from error
    if not isinstance(data, dict):
        raise BundleError(f"{source} is not a JSON object")
    return data


def canonical(data: object) -> bytes:
    """The one way to write a JSON value, whatever its layout and the order of its keys."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def brief(value: object) -> str:
    """A value for a message: printable, and short whatever the file holds."""
    try:
        shown = repr(value)
    except RecursionError:
        shown = f"a {type(value).__name__}"
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"the key {brief(key)} is given twice")
        data[key] = value
    return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {brief(digits)} is too large")
    return number


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object whose fields are checked as they are taken; `source` is its file, for messages."""

    data: dict[str, Any]
    source: Path

    def get(self, name: str, kind: type, default: Any = None) -> Any:
        """A field of a type; the default where it is missing."""
        value = self.data.get(name, default)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            found = "missing" if name not in self.data else f"a {type(value).__name__}"
            raise BundleError(f"{self.source}: {brief(name)[1:-1]} is {found}, expected a {kind.__name__}")
        return value

    def number(self, name: str, *, least: int, most: int) -> int:
        """A whole number in a range."""
        value: int = self.get(name, int)
        if not least <= value <= most:
            raise BundleError(f"{self.source}: {name} is {brief(value)}, expected {least} to {most}")
        return value

    def text(self, name: str) -> str:
        """A short string without control characters."""
        return self._short(name, self.get(name, str))

    def texts(self, name: str) -> list[str]:
        """A list of such strings."""
        values = self.get(name, list)
        if not all(isinstance(value, str) for value in values):
            raise BundleError(f"{self.source}: {name} is not a list of strings")
        return [self._short(name, value) for value in values]

    def texts_by_name(self, name: str) -> dict[str, str]:
        """An object of such strings; an empty one where it is missing."""
        values = self.get(name, dict, {})
        if not all(isinstance(value, str) for value in values.values()):
            raise BundleError(f"{self.source}: {name} is not an object of strings")
        return {self._short(name, key): self._short(name, value) for key, value in values.items()}

    def inside(self, *names: str) -> Fields:
        """The object that names lead to, one inside the other."""
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
