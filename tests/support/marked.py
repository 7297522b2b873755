"""Notes with their spans and answers marked in the text, as the files in tests/data hold them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from clinspan.text.decode import Span

DATA = Path(__file__).parents[1] / "data"

LABELS = {
    "P": "PROBLEM",
    "T": "TEST",
    "R": "TREATMENT",
    "D": "DRUG",
}
PARTS = {
    "D": "DRUG",
    "S": "STRENGTH",
    "F": "FORM",
    "R": "ROUTE",
    "N": "DOSAGE",
    "Q": "FREQUENCY",
    "T": "DURATION",
}

_MARK = re.compile(r"\{([A-Z])([0-9a-z,!-]*) ([^{}]*)\}")


@dataclass
class Marked:
    """A note, its spans, and what each span's mark says: owners before the text, an answer behind "="."""

    name: str
    note: str = ""
    spans: list[Span] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    answers: list[set[str]] = field(default_factory=list)


def read_marked(path: Path, labels: dict[str, str]) -> list[Marked]:
    """Read a file of marked notes."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("# ")]
    found = []
    for passage in re.split(r"^== ", "\n".join(lines), flags=re.MULTILINE)[1:]:
        name, _, text = passage.partition("\n")
        marked = Marked(name)
        last = 0
        for match in _MARK.finditer(text := text.strip("\n")):
            marked.note += text[last : match.start()]
            words, _, answer = match[3].partition("=")
            start = len(marked.note)
            marked.note += words
            marked.spans.append(Span(labels[match[1]], start, len(marked.note), words, 1.0))
            marked.owners.append(match[2])
            marked.answers.append(set(filter(None, answer.split("+"))))
            last = match.end()
        marked.note += text[last:]
        found.append(marked)
    return found
