"""An extension of griffe, which reads the docstrings for the reference: shows what runs as a doctest as code."""

from __future__ import annotations

import inspect
import re
from typing import Any

import griffe

from clinspan.bundle.load_options import LoadOptions

# Its docstring is made from its fields when the module is imported.
_COMPLETED = f"{LoadOptions.__module__}.LoadOptions"
_DOCTEST = re.compile(r"(?:^|(?<=\n\n))( *)(>>> .*?)(?=\n\s*\n|\Z)", re.DOTALL)


class Doctests(griffe.Extension):
    """Puts paragraphs that begin with a prompt into fences."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Change the docstring before anybody parses it."""
        if obj.path == _COMPLETED:
            obj.docstring.value = inspect.cleandoc(LoadOptions.__doc__ or "")
        if obj.docstring is not None:
            obj.docstring.value = _DOCTEST.sub(r"\1```pycon\n\1\2\n\1```", obj.docstring.value)
