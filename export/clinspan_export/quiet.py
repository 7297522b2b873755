"""Keep the export libraries quiet: their chatter off the screen, their usage events off the network."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from clinspan.extract.pace import Telling, paced

# Told each step of something long, in a line; nothing else of the libraries is shown.
Progress = Callable[[str], None]

Item = TypeVar("Item")

_LOGGERS = ("optimum", "transformers", "torch", "onnxruntime", "")


def counting(
    items: Iterable[Item], progress: Progress, doing: str, *, total: int, what: str = "notes"
) -> Iterator[Item]:
    """Yield the items, and tell every few seconds how many of them are done; nothing of what is soon over."""
    telling = Telling(lambda line, _: progress(f"{doing}: {line}"), what=what)
    return paced(items, telling, total=lambda: total)


@contextmanager
def quiet() -> Iterator[None]:
    """Import and run the export libraries without their warnings, log lines and usage events."""
    # onnxruntime reads it when it is first imported, and never again; see clinspan/engine/session.py.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def import_converters() -> None:
    """Import what converts graphs before it is needed: an interrupt in the middle of an import may become another error."""
    with quiet():
        import onnx  # noqa: F401
        import onnxruntime.quantization
        import onnxruntime.transformers.float16  # noqa: F401


def import_onnxruntime() -> Any:
    """Import onnxruntime with its usage events off."""
    with quiet():
        import onnxruntime
    return onnxruntime
