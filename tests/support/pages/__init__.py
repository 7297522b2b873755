"""The code blocks of the pages: what they are, how they run, and what stands below them.

A page is one program: its Python blocks run in order, in one folder. A block may begin with comments that say how:

    # service.py          it is that file, and is written as such, for commands of the page and for imports
    # needs: a, b         packages that it needs beside clinspan; where one is missing, it is left out by name
    # before              another library's lines, for comparison: they are compiled, not run

`bundle` is the starter there, `model` a small encoder and `labels` a small classifier. A block without a language that follows at once is what it prints.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clinspan.bundle.loading import STARTER
from tests.support.example_notes import ROOT
from tests.support.tiny import text_bundles

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        ROOT / "src/clinspan/starter/README.md",
        *ROOT.glob("fuzz/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("examples/*.md"),
    ]
)
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        page: path of its page from the repository's root.
        number: among the blocks of the page, from 0.
        language: `python`, `sh`, `json` ...; empty for output and plain text.
        code: what stands in it.
        shown: the output that follows at once; None without one.
        output: characters of the page that the output takes, start and end.
    """

    page: str
    number: int
    language: str
    code: str
    shown: str | None
    output: tuple[int, int]

    @property
    def name(self) -> str:
        """Name the block for a person."""
        return f"{self.page}, block {self.number}"

    @property
    def file(self) -> str | None:
        """The file that the block says it is."""
        found = re.match(r"# (\w+\.py)\b", self.code)
        return found[1] if found else None

    @property
    def missing(self) -> list[str]:
        """The packages that it needs and that are not installed."""
        named = re.findall(r"^# needs: (.+)$", self.code, re.MULTILINE)
        return [name for name in ", ".join(named).split(", ") if name and find_spec(name) is None]

    @property
    def compared(self) -> bool:
        """Whether it is another library's code, for comparison."""
        return self.code.startswith("# before")


def blocks(page: Path) -> list[Block]:
    """Find the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    fences = list(_FENCE.finditer(text))
    found = []
    for number, fence in enumerate(fences):
        after = fences[number + 1] if number + 1 < len(fences) else None
        follows = after is not None and not after[2] and not text[fence.end() : after.start()].strip()
        indent = len(fence[1])
        code = "".join(line[indent:] for line in fence[3].splitlines(keepends=True))
        found.append(
            Block(
                page.relative_to(ROOT).as_posix(),
                number,
                fence[2],
                code,
                after[3] if after is not None and follows else None,
                after.span(3) if after is not None and follows else (0, 0),
            )
        )
    return found


class Program:
    """The Python blocks of a page as one program, which goes as far as it is asked to."""

    def __init__(self, page: Path, folder: Path) -> None:
        self._blocks = [block for block in blocks(page) if block.language == "python"]
        self._folder = folder
        if not (folder / "bundle").exists():
            (folder / "bundle").symlink_to(STARTER)
        text = page.read_text(encoding="utf-8")
        if not (folder / "model").exists() and "Embedder.load(" in text:
            text_bundles.embedder(folder / "model")
        if not (folder / "labels").exists() and 'Classifier.load("labels")' in text:
            text_bundles.classifier(folder / "labels")
        self._names: dict[str, Any] = {"__name__": "page"}
        self._said: dict[int, str] = {}

    def said(self, block: Block) -> str:
        """Run every block up to this one that has not run yet, and return what this one printed."""
        for one in self._blocks:
            if one.number <= block.number and one.number not in self._said and not one.missing:
                self._said[one.number] = self._run(one)
        return self._said[block.number]

    def _run(self, block: Block) -> str:
        code = compile(block.code, block.name, "exec")
        if block.compared:
            return ""
        if block.file:
            self._names["__file__"] = str(self._folder / block.file)
            (self._folder / block.file).write_text(block.code, encoding="utf-8")
            invalidate_caches()
        out = io.StringIO()
        with in_folder(self._folder), contextlib.redirect_stdout(out):
            exec(code, self._names)
        return out.getvalue()


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Stand in a folder, with its modules importable; variables of the environment are put back afterwards."""
    before, variables = Path.cwd(), dict(os.environ)
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))
        os.environ.clear()
        os.environ.update(variables)
