"""Keeps what the export libraries say about themselves off the screen."""

from __future__ import annotations

import logging
import os
import warnings


class quiet:  # noqa: N801 - reads as a phrase where it is used
    """Keeps tracer warnings and the chatter of the export libraries off the screen."""

    _names = ("optimum", "transformers", "torch", "onnxruntime", "")

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        self._levels = {name: logging.getLogger(name).level for name in self._names}
        for name in self._names:
            logging.getLogger(name).setLevel(logging.ERROR)
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    def __exit__(self, *error: object) -> None:
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        self._warnings.__exit__(None, None, None)
