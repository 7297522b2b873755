"""Runs of `clinspan extract` over many notes: good and bad input, and what the results hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clinspan import InferenceError, InputError, Recognizer

SECRET = "XYZZYPATIENT"
TEXTS = [
    f"Note {n}: Ménière's disease, pneumonia; given {n} mg of metformin." + " No fever." * (n % 7)
    for n in range(60)
]
Run = Callable[..., tuple[int, str]]


def write_notes(path: Path, texts: Sequence[str] = TEXTS, ids: Sequence[str] | None = None) -> Path:
    """JSONL of notes."""
    names = [f"n{number}" for number in range(len(texts))] if ids is None else ids
    rows = [{"id": name, "text": text} for name, text in zip(names, texts, strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def ids(path: Path) -> list[str]:
    """Ids of a result file, in order."""
    return [row["id"] for row in rows(path)]


def rows(path: Path) -> list[dict[str, Any]]:
    """Lines of a result file."""
    return [json.loads(line) for line in path.read_bytes().decode("utf-8").splitlines()]


def bad_jsonl(path: Path) -> dict[str, str]:
    """A file with good notes and every kind of bad line; gives what is expected of each id."""
    good = json.dumps({"text": TEXTS[0]})
    bad = {
        "not valid JSON": f'{{"text": "{SECRET}'.encode(),
        "expected a JSON object": f'["{SECRET}"]'.encode(),
        "'text' is missing": f'{{"note": "{SECRET}"}}'.encode(),
        "'text' is a number": b'{"text": 5}',
        "not UTF-8": f'{{"text": "{SECRET} \xb0"}}'.encode("latin-1"),
        # How deep is too deep for the json module depends on Python's version; what ends too early is refused anyway.
        "not valid JSON: ": f'{{"text": "{SECRET}", "x": {"[" * 9_000}'.encode(),
        "a key is given twice": f'{{"text": "{SECRET}", "text": "{SECRET}"}}'.encode(),
        "longer than the limit of 10,000 bytes": f'{{"text": "{SECRET * 1000}"}}'.encode(),
        "expected a name": f'{{"id": {{"x": "{SECRET}"}}, "text": "x"}}'.encode(),
    }
    path.write_bytes(b"\n".join(part for line in bad.values() for part in (good.encode(), line)) + b"\n")
    expected: dict[str, str] = {}
    for number, reason in enumerate(bad):
        expected[str(2 * number + 1)] = ""
        expected[str(2 * number + 2)] = reason
    return expected


def fail_on(recognizer: Recognizer, begins: list[str], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the model fail on the notes that begin so."""
    marks = [tuple(recognizer._tokenizer.encode(begin).ids) for begin in begins]
    read, one, several = recognizer._read, recognizer._runner.model.logits, recognizer._runner.model.batch

    def check(*contents: Any) -> None:
        if any(tuple(content[: len(mark)]) == mark for content in contents for mark in marks):
            raise InferenceError("the model gave logits that are not finite numbers")

    def checked_read(note: str, number: int, call: Any) -> Any:
        if note.startswith(tuple(begins)):
            if kind == "memory":
                raise MemoryError
            raise InputError("it has too many characters", note=number)
        return read(note, number, call)

    def checked_one(content: Any, **options: Any) -> Any:
        check(content)
        return one(content, **options)

    def checked_several(contents: Any) -> Any:
        check(*contents)
        return several(contents)

    if kind == "inference":
        monkeypatch.setattr(recognizer._runner.model, "logits", checked_one)
        monkeypatch.setattr(recognizer._runner.model, "batch", checked_several)
    else:
        monkeypatch.setattr(recognizer, "_read", checked_read)


def command(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """`clinspan extract` in a process of its own."""
    words = [sys.executable, "-m", "clinspan", "extract", *map(str, arguments)]
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    return subprocess.Popen(words, stderr=subprocess.PIPE, env=buffered, **options)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Exit code and standard error of a process, once it has ended."""
    _, said = process.communicate()
    return process.returncode, said
