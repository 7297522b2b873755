"""The function that a service calls: one of `clinspan.serving` in a module made for it, or the user's own."""

from __future__ import annotations

import keyword
import sys
from dataclasses import dataclass
from pathlib import Path

from clinspan.errors import PackageError
from clinspan.package.parts.assemble import MODEL_FOLDER

LAMBDA_HANDLER = "lambda_function.lambda_handler"

_ENTRY = '''"""Made by `clinspan package`: loads the model in the init phase and answers requests."""

import os
from pathlib import Path

os.environ.setdefault("CLINSPAN_MODEL", {model})

from clinspan.serving import {name} as {function}  # noqa: E402
'''
_BESIDE = 'str(Path(__file__).with_name("bundle"))'
_LAYER = '"/opt/bundle"'


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """The function that the service calls: module, function and the module's source."""

    module: str
    function: str
    source: str

    @property
    def name(self) -> str:
        """As services write it."""
        return f"{self.module}.{self.function}"


def entry_point(handler: str, name: str, *, layered: bool = False) -> EntryPoint:
    """Describe the function that a service will call.

    Args:
        handler: `MODULE.FUNCTION` to make, or `FILE.py:FUNCTION` of the user's own.
        name: of the entry point in `clinspan.serving`.
        layered: the model lies in a layer and not beside the module.

    Raises:
        PackageError: it is neither of these, the file cannot be read, or the module would hide another.
    """
    file, colon, function = handler.rpartition(":")
    if colon:
        path = Path(file)
        _check_names(path.stem, function, handler)
        try:
            return EntryPoint(path.stem, function, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise PackageError(f"--handler {handler}: cannot read {file}") from error
    module, _, function = handler.rpartition(".")
    _check_names(module, function, handler)
    return EntryPoint(module, function, entry_source(name, function, layered=layered))


def _check_names(module: str, function: str, handler: str) -> None:
    taken = {"numpy", "onnxruntime", "tokenizers", "clinspan", MODEL_FOLDER} | sys.stdlib_module_names
    for name in (module, function):
        if not name.isidentifier() or keyword.iskeyword(name):
            raise PackageError(f"--handler {handler}: expected MODULE.FUNCTION or FILE.py:FUNCTION")
    if module in taken:
        raise PackageError(f"--handler {handler}: a module {module!r} would hide another of that name")


def entry_source(name: str, function: str, *, layered: bool = False) -> str:
    """Write the module of an entry point; arguments as in `entry_point`."""
    return _ENTRY.format(model=_LAYER if layered else _BESIDE, name=name, function=function)
