"""Options of the public calls, checked before they are used: one wording for a wrong number."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path

from clinspan.errors import InputError


def whole(name: str, value: object, *, least: int, unit: str = "") -> int:
    """Return an integer option, checked.

    Args:
        name: of the option, for the message.
        value: what was given; a numpy integer will do.
        least: the smallest that makes sense.
        unit: what it counts, for the message.

    Raises:
        InputError: it is not an integer, or it is too small.

    >>> whole("threads", 2, least=1)
    2
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} is a {type(value).__name__}: expected an integer{unit and f' ({unit})'}")
    if value < least:
        raise InputError(f"{name} is {value}{unit and f' {unit}'}: expected at least {least}")
    return int(value)


def as_path(name: str, value: object) -> Path | None:
    """The path that an option gives, or None.

    Raises:
        InputError: it is not a path, or one in bytes.

    >>> as_path("path", "bundle").name
    'bundle'
    """
    of_kind(name, value, (str, os.PathLike), "a path")
    try:
        return None if value is None else Path(value)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"{name} is a path in bytes: expected a str") from None


def of_kind(name: str, value: object, kinds: tuple[type, ...], expected: str) -> None:
    """Raise InputError unless an option is None or of one of the kinds; `expected` says them in words."""
    if value is not None and not isinstance(value, kinds):
        raise InputError(f"{name} is a {type(value).__name__}: expected {expected}")


def check_texts(name: str, texts: object, one: str = "") -> None:
    """Refuse what is not an iterable of texts, above all what would be iterated by mistake.

    Args:
        name: of the option, for the message.
        texts: what was given.
        one: the call that takes a single text, for the message; empty if there is no such call.

    Raises:
        InputError: with what to pass.
    """
    if isinstance(texts, str | bytes):
        kind = "one string" if isinstance(texts, str) else "bytes"
        raise InputError(f"{name} is {kind}: pass a list of {name}" + (f", or use {one}()" if one else ""))
    if isinstance(texts, Mapping):
        raise InputError(f"{name} is a {type(texts).__name__}, whose keys would be read: pass its values()")
    if hasattr(texts, "columns") and not hasattr(texts, "str"):
        raise InputError(
            f"{name} is a {type(texts).__name__}, whose column names would be read: pass one column, such as frame['text']"
        )
    if not isinstance(texts, Iterable):
        raise InputError(f"{name} is a {type(texts).__name__}: expected an iterable of texts")
