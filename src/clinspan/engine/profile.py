"""Settings that `clinspan bench --save` wrote for a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clinspan.errors import InputError
from clinspan.strict_json import parse_object


def read_profile(path: Path) -> dict[str, Any]:
    """Read threads and session options; raises InputError where the file holds anything else."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    saved = parse_object(content, str(path))
    if set(saved) - {"threads", "session_options"}:
        raise InputError(f"{path} is not a profile: expected a JSON object with threads and session_options")
    if not isinstance(saved.get("threads"), int | None) or not isinstance(
        saved.get("session_options", {}), dict
    ):
        raise InputError(f"{path}: expected threads to be a number and session_options an object")
    return saved
