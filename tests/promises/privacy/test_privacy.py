"""No note's text in an error, a log, a warning, a stream or a file, whatever goes wrong.

The other files of this folder are the ways in which something goes wrong, one page for each area.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.promises.privacy import (
    clinical,
    command_line,
    documents,
    extract,
    gold,
    labelled,
    notes,
    recognizer,
    serving,
    shapes,
    texts,
)
from tests.support import bundles
from tests.support.privacy.failing_paths import MARKER, NOTE, Action, Place
from tests.support.privacy.raises import NO_NOTE_THERE, exempt, sites
from tests.support.privacy.watch import leaks, noting_raises, watched

from clinspan import LoadOptions, Recognizer

PAGES = (
    clinical,
    command_line,
    documents,
    extract,
    gold,
    labelled,
    notes,
    recognizer,
    serving,
    shapes,
    texts,
)
PATHS: dict[str, Action] = {
    f"{page.__name__.rpartition('.')[2]}: {name}": action
    for page in PAGES
    for name, action in page.PATHS.items()
}


@dataclass
class Outcome:
    """Of all paths: where the marker turned up in each, and which lines of clinspan raised."""

    found: dict[str, list[str]]
    reached: set[tuple[str, int]]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Every path, run once."""
    outcome = Outcome({}, set())
    for name, action in PATHS.items():
        found: list[str] = []
        place = Place(tmp_path_factory.mktemp("path"))
        with watched(place, found), noting_raises(outcome.reached):
            try:
                action(place)
            except Exception as error:  # noqa: BLE001 - every kind is looked at
                found += leaks(error)
        outcome.found[name] = found
    return outcome


@pytest.mark.parametrize("name", PATHS)
def test_an_error_tells_nothing_of_the_note(outcome: Outcome, name: str) -> None:
    """Not in its message, arguments, causes, contexts or traceback, nor in a log, warning, stream or file."""
    assert outcome.found[name] == []


def test_every_raise_is_on_a_path(outcome: Outcome) -> None:
    """So that "whatever goes wrong" stays true: a new `raise` needs a path above, or a reason why no note is there."""
    missed = [f"{s.name} (line {s.first})" for s in sites() if not exempt(s) and not s.in_(outcome.reached)]
    assert missed == [], "\n".join(missed)


def test_every_exemption_is_of_a_raise_that_is_there() -> None:
    """No reason outlives its code."""
    used = {key for site in sites() for key in exempt(site)}
    assert set(NO_NOTE_THERE) - used == set()


def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    """A hidden context, an attribute, a log, a warning, both streams, a descriptor and a file: nothing gets past."""
    found: list[str] = []
    place = Place(tmp_path)
    with watched(place, found):
        for careless in (_hidden_context, _attribute):
            try:
                careless()
            except ValueError as error:
                found += leaks(error)
        logging.getLogger("anything").debug("%s", NOTE)
        warnings.warn(NOTE, stacklevel=1)
        sys.stdout.write(NOTE)
        os.write(2, NOTE.encode())
        Path("left.txt").write_text("x")
    assert found == [
        "JSONDecodeError.doc",
        "ValueError.message",
        "ValueError.repr",
        "ValueError.args",
        "ValueError.traceback",
        "log of anything",
        "warning <class 'UserWarning'>",
        "standard output or error",
        "standard output or error",
        "file left.txt",
    ]


def _hidden_context() -> None:
    try:
        json.loads(f'{{"{MARKER}"')
    except ValueError:
        raise ValueError("not JSON") from None


def _attribute() -> None:
    raise ValueError(NOTE)


_READ_ONLY = """
import os, resource, sys
from clinspan import Recognizer

note, marker = sys.argv[1:]
recognizer = Recognizer.load(threads=2)
recognizer.recognize("warm")
seen = []

def audit(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC):
            seen.append(f"{event} {path}")
    elif event.split(".")[0] in ("os", "shutil", "tempfile", "sqlite3", "mmap", "socket", "subprocess"):
        if event not in ("os.listdir", "os.scandir", "os.putenv"):
            seen.append(event)

sys.addaudithook(audit)
# No process may make a regular file longer now, native libraries included: a write fails with EFBIG.
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
spans = recognizer.recognize(note * 50)
assert [s for notes in recognizer.pipe([note, note * 20]) for s in notes]
assert len(recognizer.token_logits(note))
assert spans
recognizer.report()
assert seen == [], seen
print("read", len(spans))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_recognizing_writes_nothing(tmp_path: Path) -> None:
    """No file is opened for writing, made, changed or removed; home, temporary and current folder stay empty."""
    environment = os.environ | {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", _READ_ONLY, NOTE, MARKER],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("read ")
    assert MARKER not in done.stdout + done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_what_is_reused_stays_in_memory_as_numbers(tmp_path: Path) -> None:
    """The windows that are kept are found by a hash: no text and no ids of a note are kept with them."""
    model = Recognizer.load(bundles.bundle(tmp_path / "bundle"), threads=1, options=LoadOptions(reuse=4))
    model.recognize(NOTE)
    cache = model._runner.model.cache
    assert cache is not None
    assert all(len(key) == 16 and value.dtype == np.float32 for key, value in cache._kept.items())
