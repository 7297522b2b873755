"""Read every text file of a folder, on all cores and in bounded memory, and go on after a bad one.

usage: python stream_folder.py FOLDER
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from clinspan import ClinspanError, Recognizer


def notes(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (text, name) of each file, read when its turn comes."""
    for path in sorted(folder.glob("*.txt")):
        yield path.read_bytes().decode("utf-8", errors="strict"), path.name


with Recognizer.load() as recognizer:
    for spans, name in recognizer.pipe(notes(Path(sys.argv[1])), as_tuples=True, on_error="yield"):
        print(name, spans.reason if isinstance(spans, ClinspanError) else len(spans))
