"""Call a packed function and say what it used: a script that the target's interpreter runs with -I -S.

    call_function.py MODULE FUNCTION KIND FOLDER...      KIND: lambda or http

It imports nothing but the standard library and the package, so it has a JSON parser of its own.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

NOTE = "She has pneumonia and was given ceftriaxone. No fever since 3 March.\n\n" * 20


class _Request:
    method = "POST"

    def __init__(self, body: bytes) -> None:
        self.content_length = len(body)
        self.stream = io.BytesIO(body)


def main(module: str, function: str, kind: str, *folders: str) -> None:
    """Call the function with a note and print a JSON object about it."""
    own = [os.path.realpath(folder) for folder in folders]
    standard = [os.path.realpath(place) for place in sys.path if place]
    sys.path.extend(own)
    entry = getattr(importlib.import_module(module), function)

    def ask(request: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if kind == "lambda":
            answer = entry(request, None)
            return answer["statusCode"], answer
        text, status, _ = entry(_Request(json.dumps(request).encode()))
        return status, json.loads(text)

    status, answer = ask({"text": NOTE})
    if status == 400:  # a model of pairs takes no text alone
        status, answer = ask({"text": "Was she treated?", "text_pair": NOTE})
    spans = answer.get("spans", [])
    what = next((name for name in ("spans", "labels", "vector") if name in answer), "spans")
    modules, libraries = _modules(), _libraries()
    foreign = {path for path in modules if not _inside(path, own + standard)}
    # The system's own libraries are part of any target; those of another Python environment are not.
    foreign |= {path for path in libraries if "-packages" in path and not _inside(path, own + standard)}
    report = {
        "status": status,
        "error": answer.get("error"),
        "found": len(answer.get(what, [])),
        "what": "numbers" if what == "vector" else what,
        "exact": all(NOTE[span["start"] : span["end"]] == span["text"] for span in spans),
        "foreign": sorted(foreign),
        "used": sorted(path for path in modules | libraries if _inside(path, own)),
    }
    print(json.dumps(report))


def _modules() -> set[str]:
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {os.path.realpath(file) for file in files if file} - {os.path.realpath(__file__)}


def _libraries() -> set[str]:
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return set()
    return {line.split(maxsplit=5)[5] for line in lines if ".so" in line}


def _inside(path: str, folders: list[str]) -> bool:
    return any(path.startswith(folder + os.sep) for folder in folders)


if __name__ == "__main__":
    main(*sys.argv[1:])
