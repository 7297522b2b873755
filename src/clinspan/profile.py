"""Settings that `clinspan bench --save` wrote for a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clinspan.errors import InputError


def read_profile(path: Path) -> dict[str, Any]:
    """Read threads and session options; raises InputError where the file holds anything else."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable profile") from error
    if not isinstance(saved, dict) or set(saved) - {"threads", "session_options"}:
        raise InputError(f"{path} is not a profile: expected threads and session_options")
    return saved
