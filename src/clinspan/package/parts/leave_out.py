"""List what inference never imports, as data: found by listing modules and mapped libraries after real runs.

Licence texts stay wherever they lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern of the paths of files that are left out (`*` crosses folders), and why they can be."""

    pattern: str
    reason: str


RULES = (
    Rule("*/__pycache__/*", "caches; bytecode is compiled again for the target's Python"),
    Rule("*.pyi", "type stubs: for type checkers"),
    Rule("*/tests/*", "test suites of the packages"),
    Rule("*.dist-info/RECORD", "lists files that are no longer here"),
    Rule("onnxruntime/capi/libonnxruntime.so*", "second copy of the library, for C callers"),
    Rule("onnxruntime/transformers/*", "graph rewriting before deployment"),
    Rule("onnxruntime/quantization/*", "quantizing before deployment"),
    Rule("onnxruntime/tools/*", "conversion tools"),
    Rule("onnxruntime/datasets/*", "sample models"),
    Rule("onnxruntime/backend/*", "interface for the ONNX test suite"),
    Rule("numpy/f2py/*", "compiles Fortran"),
    Rule("numpy/distutils/*", "compiles extensions"),
    Rule("numpy/testing/*", "helpers for tests"),
    Rule("numpy/_pyinstaller/*", "packaging hook"),
    Rule("numpy/_core/include/*", "C headers"),
    Rule("numpy/_core/lib/*", "static libraries for extensions"),
    Rule("numpy/_core/_simd.*", "exposes vector instructions to numpy's tests"),
    Rule("numpy/_core/_*_tests.*", "compiled tests"),
    Rule("numpy/*.pxd", "declarations for Cython"),
    Rule("numpy/random/*", "random numbers; imported on first use, and inference makes none"),
    Rule("numpy/fft/*", "Fourier transforms; imported on first use"),
    Rule("numpy/polynomial/*", "polynomials; imported on first use"),
    Rule("numpy/ma/*", "masked arrays; imported on first use"),
    Rule("numpy/lib/recfunctions.py", "columns of record arrays; imported by its name alone"),
    Rule("numpy/lib/*user_array*.py", "a base for subclasses of arrays; imported by its name alone"),
    Rule("numpy/matlib.py", "matrices; imported by its name alone"),
    Rule("numpy/ctypeslib/*", "arrays for C functions; imported on first use"),
    Rule("numpy/typing/mypy_plugin.py", "for mypy"),
    Rule("numpy/doc/*", "documentation"),
    Rule("numpy/conftest.py", "settings of numpy's tests"),
    Rule("numpy/_configtool.py", "a command for builds"),
    Rule("tokenizers/tools/*", "draws tokens as HTML"),
    Rule("clinspan/starter/*", "the model that is packed lies in bundle/"),
    Rule("clinspan/package/*", "makes packages"),
    Rule("clinspan/extract/best_settings.py", "times a bundle"),
    Rule("clinspan/documents/*", "annotated documents, and scores against them"),
    Rule(
        "clinspan/extract/output_formats.py", "the formats of clinspan extract; interop has what they write"
    ),
    Rule("clinspan/extract/writers.py", "the files of clinspan extract"),
    Rule("clinspan/cli/*", "the command line"),
    Rule("clinspan/__main__.py", "the command line"),
)

_LICENCE = re.compile(r"licen[cs]e|notice|copying|copyright|authors", re.IGNORECASE)


def left_out(path: str, *, keep: Iterable[str] = ()) -> Rule | None:
    """Find the rule by which a file is left out; None for a file that stays.

    Args:
        path: inside the package folder, with `/`.
        keep: patterns of files that stay whatever the rules say.

    >>> left_out("numpy/f2py/__init__.py").reason
    'compiles Fortran'
    >>> left_out("numpy/random/LICENSE.md") is None
    True
    """
    if is_licence(path) or any(fnmatchcase(path, pattern) for pattern in keep):
        return None
    return next((rule for rule in RULES if fnmatchcase(path, rule.pattern)), None)


def is_licence(path: str) -> bool:
    """Say whether a file is the text of a licence or a notice, or lies in a folder of them."""
    place = PurePosixPath(path)
    if place.suffix in (".py", ".pyi", ".pyc", ".so"):
        return False
    return bool(_LICENCE.search(place.name)) or ".dist-info/licenses/" in path
