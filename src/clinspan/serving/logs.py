"""Write one line of JSON for each event to standard output, where both services collect it. Never any note text."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from pathlib import Path
from typing import Any

from clinspan.errors import InputError

_logger = logging.getLogger("clinspan.serving")


def configure(level: str) -> None:
    """Send this package's lines to standard output as they are, and nowhere else.

    Raises:
        InputError: the level is unknown.
    """
    if level.upper() not in logging.getLevelNamesMapping():
        raise InputError(f"CLINSPAN_LOG_LEVEL is {level!r}: expected DEBUG, INFO, WARNING or ERROR")
    if not any(isinstance(handler, _ToStandardOutput) for handler in _logger.handlers):
        _logger.addHandler(_ToStandardOutput())
    _logger.setLevel(level.upper())
    _logger.propagate = False


def write(event: str, *, level: int = logging.INFO, **facts: Any) -> None:
    """Write one line: the event's name and its facts."""
    _logger.log(level, "%s", json.dumps({"event": event, **facts}))


def failure(request_id: str, error: BaseException) -> None:
    """Write where an unexpected error was raised, without its message, which may quote a note."""
    kinds: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(kinds) < 5:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__, limit=-8)
    ]
    write("failure", level=logging.ERROR, request_id=request_id, error=kinds, at=frames)


class _ToStandardOutput(logging.Handler):
    """Looks standard output up for each line: the services replace it after import."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(record.getMessage() + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            self.handleError(record)
