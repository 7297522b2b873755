#!/usr/bin/env python3
"""Refuse turns of phrase that a colleague would not say aloud, in docstrings, comments, messages and pages.

    scripts/plain_english.py              # the roots below
    scripts/plain_english.py PATH ...     # files or folders

A turn belongs in TURNS with the words to use instead, one sentence that it refuses and one that it lets through;
tests/test_plain_english.py holds it to both.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Files and folders that are clean and stay so.
ROOTS = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs",
    "benchmarks",
    "fuzz",
    "src/clinspan",
    "export/clinspan_export",
    "tests",
]


class Turn(NamedTuple):
    """A turn of phrase: how to find it and what to say in its place."""

    pattern: str
    instead: str
    refused: str
    allowed: str


_COMPARED = (
    "longer|more|less|fewer|faster|slower|better|worse|larger|smaller|later|earlier|bigger|higher|lower"
)
_UNITS = "note|line|token|row|label|document|window|word|channel|column|tensor|process|thread|test|call|run|file|question|batch|sentence|layer"

TURNS = [
    Turn(
        r"\b(is|are|was|were) none\b",
        "say that it is missing, or is not one",
        "Made if there is none.",
        "or None",
    ),
    Turn(
        rf"(?<![Tt]here )\b(is|are|was|were|be) no (?!({_COMPARED})\b)",
        "is not a ...",
        "It is no PDF.",
        "There is no network; it is no longer there.",
    ),
    Turn(r"\bagain (is|are) no\b", "safe to call twice", "Closing again is no error.", "Close it again."),
    Turn(r"\bfor ever\b", "forever, or never ends", "It waits for ever.", "Look for every line."),
    Turn(r"\bso many\b", "give the number its name", "Trying on so many cores.", "In many windows."),
    Turn(
        r"(?<!says )(?<!say )\botherwise *([.;:)|]|  |$)",
        "default: ...",
        "DIR to read; the starter otherwise",
        "Otherwise it is refused.",
    ),
    Turn(r"\bbut for\b", "except for", "The same, but for the date.", "Slow, but forks work."),
    Turn(r"\bin silence\b", "silently, or without a message", "Left out in silence.", "a silent run"),
    Turn(r"\banew\b", "again, or new", "Made anew for the target.", "a new one"),
    Turn(r"\bas ever\b", "as always", "Checked as ever.", "as every file"),
    Turn(r"\bat hand\b", "available", "With a Python at hand.", "by hand"),
    Turn(r"\bto be had\b", "available", "As far as it is to be had.", "to be hardened"),
    Turn(
        r"\b(lest|whence|hence|thereof|wherein)\b", "use today's word", "Hashed, lest it change.", "the last"
    ),
    Turn(r"\bmended\b", "fixed", "Once it is mended.", "recommended"),
    Turn(
        r"\b[Tt]old (apart )?by\b", "chosen by, or recognised by", "Told by the first line.", "We told you."
    ),
    Turn(r"\bnone of ours\b", "not made by clinspan", "A line is none of ours.", "none of the lines"),
    Turn(
        rf"\b([Aa]|[Aa]n|[Oo]ne|\d+) (?!(of|is|for|in|on|at|as|to|and|or)\b)[\w-]+ an? ({_UNITS})\b",
        "per ..., or for each ...",
        "One scale a row.",
        "A row and a column; as one is a line.",
    ),
    Turn(
        r"\bblanks\b|\ba blank\b(?! (line|row|page|space))",
        "whitespace, or a space",
        "Cut at a blank.",
        "A blank line.",
    ),
    Turn(r"\bwhole number\b", "integer", "It is not a whole number.", "the whole note"),
]


class Text(NamedTuple):
    """A piece of prose: the first line that it stands on, and whether it is a docstring."""

    line: int
    text: str
    docstring: bool = False


def main(arguments: list[str]) -> int:
    """Print every refused turn with its file and line; 1 where there are any."""
    top = Path(__file__).resolve().parents[1]
    found = 0
    for file in _files([Path(path) for path in arguments] or [top / root for root in ROOTS]):
        for line, words, instead in refused(file):
            print(f"{file}:{line}: “{words}”: {instead}")
            found += 1
    print(f"{found} turns to say in plain English" if found else "plain English: nothing to say")
    return min(found, 1)


def refused(file: Path) -> Iterator[tuple[int, str, str]]:
    """Yield (line, words, what to say instead) for each refused turn of a Python or Markdown file."""
    source = file.read_text(encoding="utf-8")
    prose = _python(source, _only_docstrings(file)) if file.suffix == ".py" else _markdown(source)
    for piece in prose:
        for line, words, instead in turns_in(piece.text):
            yield piece.line + line, words, instead
        if piece.docstring and re.match(r"\s*What\b", piece.text):
            yield piece.line, "What ...", "begin with a verb, or with what the type holds"


def turns_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield (lines before it, words, what to say instead) for each refused turn of some prose."""
    lines = "\n".join(line.strip() for line in text.split("\n"))
    sentences = lines.replace("\n", " ")  # a turn may break its line anywhere; two spaces end a paragraph
    for turn in TURNS:
        for match in re.finditer(turn.pattern, sentences):
            yield lines.count("\n", 0, match.start()), match[0].strip(), turn.instead


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in below if file.suffix in {".py", ".md"})


def _only_docstrings(file: Path) -> bool:
    """Tell whether a file's strings are data: sample notes are not our prose."""
    return "tests" in file.resolve().parts


def _markdown(source: str) -> Iterator[Text]:
    """Yield the page without its code."""

    def emptied(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n")

    source = re.sub(r"^(```+|~~~+).*?^\1", emptied, source, flags=re.MULTILINE | re.DOTALL)
    yield Text(1, re.sub(r"`[^`]*`", emptied, source))


def _python(source: str, only_docstrings: bool) -> Iterator[Text]:
    tree = ast.parse(source)
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(id(first.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            docstring = id(node) in docstrings
            if docstring or (not only_docstrings and " " in node.value):
                yield Text(node.lineno, _without_code(node.value), docstring)
    yield from _comments(source)


def _comments(source: str) -> Iterator[Text]:
    """Yield comments; those on lines that follow each other are one piece, for a sentence may go on."""
    first, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != first + len(lines):
            if lines:
                yield Text(first, _without_code("\n".join(lines)))
            first, lines = token.start[0], []
        lines.append(token.string.lstrip("# "))
    if lines:
        yield Text(first, _without_code("\n".join(lines)))


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", text)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
