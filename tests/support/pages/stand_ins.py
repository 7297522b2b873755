"""Small stand-ins for the things that a reader of the pages has: notes, annotations, a checkpoint, models.

Each is made under the very name that the pages use, so that a command runs as it stands.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from clinspan.bundle.loading import STARTER
from clinspan.text.merge import Scoring
from tests.support import bundles, tiny_checkpoints
from tests.support.example_notes import NOTE, ROOT
from tests.support.packages.small_wheels import stand_in_bundle
from tests.support.pages import blocks
from tests.support.pages.commands import Words
from tests.support.tiny import text_bundles

DOCUMENT = tiny_checkpoints.NOTE
# Options behind which a command writes.
_WRITTEN = ("--out", "--output", "-o", "--html", "--cyclonedx", "--sbom")


def furnish(
    folder: Path, page: str, block: list[Words], code: str, checkpoint: Callable[[str], Path]
) -> None:
    """Make in `folder` what a block reads.

    Args:
        folder: where the block will run.
        page: of the block, from the repository's root.
        block: its commands.
        code: its text.
        checkpoint: makes a checkpoint of a kind: "entities", "vectors" or one of other labels.
    """
    written = set(_outputs(block))
    texts = page in ("docs/classify.md", "docs/embed.md")
    named = {word.rstrip("/") for words in block for word in words} | {
        word.partition("=")[2] for words in block for word in words
    }
    makers = _FILES | (_TEXT_FILES if texts else {})
    if "clinspan-export sign" in code:
        makers["bundle"] = bundles.bundle
    elif "clinspan package" in code:
        makers["bundle"] = lambda path: stand_in_bundle(path, "int8")
    if page == "docs/embed.md":
        makers["model"] = text_bundles.embedder
    for name, make in makers.items():
        if name in named - written:
            make(folder / name)
    for name in {"CHECKPOINT", "checkpoint"} & (named - written):
        kind = "vectors" if page == "docs/embed.md" else "odd" if "--outside nothing" in code else "entities"
        (folder / name).symlink_to(checkpoint(kind))
    for file in blocks(ROOT / page):
        if file.file:
            (folder / file.file).write_text(file.code, encoding="utf-8")


def _outputs(block: list[Words]) -> Iterator[str]:
    for words in block:
        yield from (value.rstrip("/") for option, value in pairwise(words) if option in _WRITTEN)
        if words[:2] in (["clinspan-export", "CHECKPOINT"], ["clinspan-export", "checkpoint"]):
            yield words[2]
        if words[:2] == ["clinspan", "pull"]:
            yield words[-1].rstrip("/")


def _note(path: Path) -> None:
    path.write_text(NOTE, encoding="utf-8")


def _notes(path: Path) -> None:
    path.mkdir()
    for name in "ab":
        (path / f"{name}.txt").write_text(DOCUMENT, encoding="utf-8")


def _table(path: Path) -> None:
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["note_id", "text"], ["a", NOTE]])


def _annotated(path: Path) -> None:
    """Entities in this project's JSONL, or in AutoML's where the page has that."""
    found = [
        {"start": one.start(), "end": one.end(), "label": label}
        for word, label in (("hypertension", "PROBLEM"), ("ECG", "TEST"), ("aspirin", "TREATMENT"))
        for one in re.finditer(word, DOCUMENT)
    ]
    rows: list[Any] = [
        {"id": f"{path.stem}{number}", "text": DOCUMENT, "entities": found} for number in range(2)
    ]
    if path.name == "data.jsonl":
        rows = [
            {
                "text_snippet": {"content": DOCUMENT},
                "annotations": [
                    {
                        "display_name": one["label"],
                        "text_extraction": {
                            "text_segment": {"start_offset": one["start"], "end_offset": one["end"]}
                        },
                    }
                    for one in found
                ],
            }
        ] * 4
    _lines(path, rows)


def _labelled(path: Path) -> None:
    texts = ("Fever since Monday.", "Wheezing at night.", "Fell on the ice.")
    _lines(
        path,
        [
            {"text": f"{path.stem} {number}: {text}", "label": label}
            for number in range(4)
            for text, label in zip(texts, ("fever", "asthma", "injury"), strict=True)
        ],
    )


def _pairs(path: Path) -> None:
    _lines(path, [{"text": "No fever.", "text_pair": "Temperature 36.8."}])


def _lines(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _starter(path: Path) -> None:
    path.symlink_to(STARTER)


@cache
def hub_files() -> dict[str, bytes]:
    """The files of a small bundle, as a repository of the Hub holds them."""
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        made = bundles.bundle(Path(place, "bundle"))
        return {
            path.relative_to(made).as_posix(): path.read_bytes() for path in made.rglob("*") if path.is_file()
        }


_FILES: dict[str, Callable[[Path], object]] = {
    **dict.fromkeys(("note.txt", "NOTE.txt"), _note),
    **dict.fromkeys(("notes", "NOTES"), _notes),
    **dict.fromkeys(("notes.csv", "notes.csv.gz"), _table),
    **dict.fromkeys(("train.jsonl", "dev.jsonl", "test.jsonl", "data.jsonl"), _annotated),
    **dict.fromkeys(("bundle", "BUNDLE"), _starter),
    "ICD_BUNDLE": text_bundles.classifier,
    "BERT_BUNDLE": text_bundles.embedder,
    "examples/discharge_summary.txt": lambda path: path.parent.symlink_to(ROOT / "examples"),
    "notebook.ipynb": lambda path: shutil.copyfile(ROOT / "examples" / "notebook.ipynb", path),
}
_TEXT_FILES: dict[str, Callable[[Path], object]] = {
    **dict.fromkeys(("train.jsonl", "dev.jsonl", "gold.jsonl"), _labelled),
    "questions.jsonl": _pairs,
    "pairs": lambda path: text_bundles.classifier(path, Scoring(text_bundles.LABELS, pairs=True)),
    "model": text_bundles.classifier,
}
