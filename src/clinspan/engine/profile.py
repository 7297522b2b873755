"""Settings that `clinspan bench --save` wrote for a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clinspan.errors import InputError


def read_profile(path: Path) -> dict[str, Any]:
    """Read threads and session options; raises InputError where the file holds anything else."""
    saved: object = None
    problem: OSError | None = None
    try:
        saved = json.loads(path.read_bytes())
    except OSError as error:
        problem = error
    except (ValueError, RecursionError):
        pass  # no cause: a JSON error carries the whole file, which may be a note given by mistake
    if problem is not None:
        raise InputError(f"{path}: {problem.strerror}") from problem
    if not isinstance(saved, dict) or set(saved) - {"threads", "session_options"}:
        raise InputError(f"{path} is not a profile: expected a JSON object with threads and session_options")
    if not isinstance(saved.get("threads"), int | None) or not isinstance(
        saved.get("session_options", {}), dict
    ):
        raise InputError(f"{path}: expected threads to be a number and session_options an object")
    return saved
