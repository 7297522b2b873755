"""In other processes: a recognizer travels as the path of its bundle and its settings."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import bundles, example_notes

from clinspan import BundleError, LoadOptions, Recognizer
from clinspan.bundle.loading import Loaded
from clinspan.recognizer import Recognizer as Unloaded

NOTE = example_notes.SENTENCE * 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return bundles.bundle(tmp_path / "bundle")


def test_the_copy_gives_the_same_spans_with_the_same_settings(folder: Path) -> None:
    """Precision, windows, workers, limits and session options are those of the original."""
    options = {"session.intra_op.allow_spinning": "0"}
    with Recognizer.load(
        folder,
        threads=2,
        window=40,
        overlap=10,
        options=LoadOptions(session_options=options, reuse=5, max_characters=5000),
    ) as one:
        other = pickle.loads(pickle.dumps(one))
        with other:
            assert other is not one
            assert other.report() == one.report()
            assert other._loaded.origin == one._loaded.origin
            assert other.recognize(NOTE) == one.recognize(NOTE)


def test_a_relative_path_still_leads_there_from_another_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of a pool may run elsewhere."""
    monkeypatch.chdir(folder.parent)
    pickled = pickle.dumps(Recognizer.load(folder.name, threads=1))
    monkeypatch.chdir("/")
    assert Path(pickle.loads(pickled).report().path) == folder


def test_the_starter_travels_without_a_path(starter: Recognizer) -> None:
    """Where it is installed differs from machine to machine."""
    pickled = pickle.dumps(starter)
    assert b"starter" not in pickled
    with pickle.loads(pickled) as other:
        assert other.recognize(NOTE) == starter.recognize(NOTE)


def test_a_profile_travels_by_its_content(folder: Path, tmp_path: Path) -> None:
    """The file need not be on the other machine."""
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"threads": 3, "session_options": {"enable_cpu_mem_arena": False}}))
    pickled = pickle.dumps(Recognizer.load(folder, options=LoadOptions(profile=profile)))
    profile.unlink()
    assert pickle.loads(pickled).report().workers == 3


def test_nothing_that_was_read_is_in_the_pickle(folder: Path) -> None:
    """No note, no kept logits, no weights: a few hundred bytes."""
    with Recognizer.load(folder, threads=2, options=LoadOptions(reuse=100)) as recognizer:
        recognizer.recognize("XYZZYMARKER has pneumonia. " * 100)
        pickled = pickle.dumps(recognizer)
    assert b"XYZZYMARKER" not in pickled
    assert len(pickled) < 1500


def test_a_process_loads_what_it_unpickles_again_and_again_once(folder: Path) -> None:
    """A pool sends the recognizer with every task; only other settings, or closing, load it again."""
    pickled = pickle.dumps(Recognizer.load(folder, threads=1))
    one = pickle.loads(pickled)
    assert pickle.loads(pickled) is one
    assert pickle.loads(pickle.dumps(Recognizer.load(folder, threads=2))) is not one
    again = pickle.loads(pickled)
    again.close()
    assert pickle.loads(pickled).recognize("pain") is not None


def test_another_bundle_under_the_same_path_is_refused(folder: Path) -> None:
    """An executor with an older bundle would give other answers without a message."""
    pickled = pickle.dumps(Recognizer.load(folder, threads=1))
    bundles.bundle(folder.parent / "new", seed=1).rename(folder.parent / "moved")
    folder.rename(folder.parent / "old")
    (folder.parent / "moved").rename(folder)
    with pytest.raises(BundleError, match="another fp32 model or tokenizer"):
        pickle.loads(pickled)


def test_what_was_not_loaded_from_a_folder_cannot_be_pickled(folder: Path) -> None:
    """There is nothing to load it from again."""
    one = Recognizer.load(folder, threads=1)
    made = Unloaded(Loaded(one._bundle, one._runner.model, one._tokenizer, "fp32", 1))
    with pytest.raises(TypeError, match=r"Recognizer\.load"):
        pickle.dumps(made)


def test_copies_in_one_process_are_the_same_recognizer(folder: Path) -> None:
    """Threads may share it, and a settings object that holds one may be copied."""
    one = Recognizer.load(folder, threads=1)
    assert copy.copy(one) is one
    assert copy.deepcopy({"model": one})["model"] is one


POOL = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from clinspan import Recognizer

NOTES = ["She has pneumonia. " * count for count in (1, 30, 2)]

if __name__ == "__main__":
    recognizer = Recognizer.load(sys.argv[2], threads=2)
    expected = [recognizer.recognize(note) for note in NOTES]
    context = multiprocessing.get_context(sys.argv[1])
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(recognizer.recognize, NOTES)) == expected
    print("done")
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_process_pool_takes_the_bound_method(folder: Path, tmp_path: Path, method: str) -> None:
    """`pool.map(recognizer.recognize, notes)`, whichever way its processes are started."""
    if method != "spawn" and not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    script = tmp_path / "script.py"
    script.write_text(POOL)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(script), method, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_joblib_takes_a_recognizer(folder: Path) -> None:
    """In its own processes."""
    joblib = pytest.importorskip("joblib")
    with Recognizer.load(folder, threads=1) as recognizer:
        notes = ["She has pneumonia. ", NOTE]
        found = joblib.Parallel(2)(joblib.delayed(recognizer.recognize)(note) for note in notes)
        assert found == [recognizer.recognize(note) for note in notes]
