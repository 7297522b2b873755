"""Settings that `clinspan bench --save` wrote for a machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from clinspan.errors import InputError
from clinspan.options import whole
from clinspan.strict_json import parse_object

# More than any machine has for one process.
MOST_THREADS = 1024


def read_profile(path: Path) -> dict[str, Any]:
    """Read threads and session options; raises InputError where the file holds anything else."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    saved = parse_object(content, str(path))
    if set(saved) - {"threads", "session_options"}:
        raise InputError(f"{path} is not a profile: expected a JSON object with threads and session_options")
    if saved.get("threads") is not None:
        _check_threads(f"{path}: threads", saved["threads"])
    options = saved.get("session_options", {})
    if not isinstance(options, dict):
        raise InputError(f"{path}: session_options is a {type(options).__name__}, expected an object")
    for name, value in options.items():
        if name not in PROFILED:
            raise InputError(
                f"{path} is not a profile that clinspan bench wrote: it holds a session option that bench never "
                f"sets; expected some of {', '.join(PROFILED)}"
            )
        PROFILED[name](f"{path}: {name}", value)
    return saved


def _check_threads(name: str, value: object) -> None:
    if whole(name, value, least=1) > MOST_THREADS:
        raise InputError(f"{name} is {value}: expected at most {MOST_THREADS}")


def _check_switch(name: str, value: object) -> None:
    if value not in (True, False, "0", "1"):
        raise InputError(f'{name} is a {type(value).__name__}: expected true, false, "0" or "1"')


# Onnxruntime's other settings may write files and load libraries: a file from elsewhere must not set those.
PROFILED: dict[str, Callable[[str, object], None]] = {
    "intra_op_num_threads": _check_threads,
    "session.intra_op.allow_spinning": _check_switch,
    "enable_cpu_mem_arena": _check_switch,
}
