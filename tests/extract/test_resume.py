"""`clinspan extract --resume`: nothing lost, nothing twice, whatever happened on the way."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from tests.support.extract_runs import (
    TEXTS,
    Run,
    command,
    fail_on,
    finish,
    write_notes,
)

from clinspan import Recognizer


def test_resume_after_kill_9_gives_the_same_bytes(tmp_path: Path) -> None:
    """Killed five times on its way, with failed notes and ids that come twice: nothing lost, nothing twice."""
    source = write_notes(tmp_path / "in.jsonl", TEXTS * 7, [str(n % 100) for n in range(len(TEXTS) * 7)])
    source.write_bytes(source.read_bytes().replace(b"Note 13:", b"Note \xff13:"))
    options = ["-f", "jsonl", "--on-error", "skip"]
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert finish(command(source, *options, "-o", whole))[0] == 1
    size = len(whole.read_bytes())
    for turn in range(1, 6):
        process = command(source, *options, "-o", out, "--resume")
        while process.poll() is None and (not out.exists() or out.stat().st_size < size * turn / 7):
            time.sleep(0.001)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert 0 < out.stat().st_size < size
    done = out.read_bytes().count(b"\n")
    code, said = finish(command(source, *options, "-o", out, "--resume"))
    assert code == 1
    assert said.startswith(f"clinspan: continuing after {done} notes\n".encode())
    assert out.read_bytes() == whole.read_bytes()


def test_resume_from_any_byte_gives_the_same_bytes(tmp_path: Path, extract: Run) -> None:
    """A torn last line is done again, wherever it was torn, even amid a character, with NULs behind it or not."""
    texts = [*TEXTS[:3], "", "Ménière's disease."]
    source, out = write_notes(tmp_path / "in.jsonl", texts, ["a", "a", "é", "\ud800", "e"]), tmp_path / "out"
    assert extract(source, "-f", "jsonl", "-o", out)[0] == 0
    whole = out.read_bytes()
    begins = [0, *(n for n in range(1, len(whole) + 1) if whole[n - 1 : n] == b"\n")]
    near = {begin + n for begin in begins for n in range(-2, 10)}
    characters = [n for n, byte in enumerate(whole) if byte > 127]
    for number, cut in enumerate(sorted({*near, *characters, *range(0, len(whole), 43)})):
        if 0 <= cut <= len(whole):
            out.write_bytes(whole[:cut] + b"\0" * (number % 3))
            assert extract(source, "-f", "jsonl", "-o", out, "--resume")[0] == 0
            assert out.read_bytes() == whole, cut


def test_resume_says_how_many_are_done(tmp_path: Path, extract: Run) -> None:
    """And reports what failed in the earlier run, with its exit code."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out"
    source.write_text('{"text": "Fever."}\n{"text": 5}\n{"text": "Cough."}\n')
    options = [source, "-f", "jsonl", "-o", out, "--on-error", "skip"]
    assert extract(*options)[0] == 1
    first = out.read_bytes()
    code, said = extract(*options, "--resume")
    assert code == 1
    assert said.splitlines()[0] == "clinspan: continuing after 3 notes"
    assert "1 note failed" in said
    assert out.read_bytes() == first


REFUSED = {
    "other id": (["n0", "x1"], [], "in.jsonl, line 2, which is in its place now"),
    "fewer notes": (["n0"], [], "holds more results than there are notes"),
    "other options": (["n0", "n1", "n2"], ["--threshold", "0.99"], "the same model, options and notes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_resume_refuses_what_it_did_not_begin(case: str, tmp_path: Path, extract: Run) -> None:
    """The file stays as it is, its torn last line too."""
    names, options, message = REFUSED[case]
    source, out = write_notes(tmp_path / "in.jsonl", TEXTS[:3]), tmp_path / "out"
    assert extract(source, "-f", "jsonl", "-o", out)[0] == 0
    with out.open("a") as stream:
        stream.write('{"id": "n')
    before = out.read_bytes()
    write_notes(source, TEXTS[: len(names)], names)
    code, said = extract(source, "-f", "jsonl", "-o", out, "--resume", *options)
    assert code == 1
    assert message in said
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        b"my only copy",
        b"{}\n",
        b'{"id": "n0", "text": "x"}\n',
        b'{"id": 5, "spans": []}\n',
        b'{"id": \n',
        b"\n",
    ],
)
def test_resume_refuses_a_file_that_is_none_of_ours(content: bytes, tmp_path: Path, extract: Run) -> None:
    """And does not touch it."""
    source, out = write_notes(tmp_path / "in.jsonl", TEXTS[:3]), tmp_path / "out"
    out.write_bytes(content)
    code, said = extract(source, "-f", "jsonl", "-o", out, "--resume")
    assert code == 1
    assert "not a result of clinspan" in said
    assert out.read_bytes() == content


CHANGED = {
    "threshold": ["--threshold", "0.01"],
    "threshold of a label": ["--threshold", "DRUG=0.01"],
    "aggregation": ["--aggregation", "max"],
    "text": ["--with-text"],
    "meaning": ["--assertion"],
    "names": ["--rename", "ROUTE=WAY"],
    "format": ["-f", "huggingface"],
}


@pytest.mark.parametrize("name", CHANGED)
def test_resume_refuses_other_options_whatever_they_change(name: str, tmp_path: Path, extract: Run) -> None:
    """Even where no note that is done has another result by them."""
    source, out = write_notes(tmp_path / "in.jsonl", TEXTS[:3]), tmp_path / "out"
    assert extract(source, "-f", "jsonl", "-o", out)[0] == 0
    before = out.read_bytes()
    code, said = extract(source, "-f", "jsonl", "-o", out, "--resume", *CHANGED[name])
    assert code == 1
    assert "made with another" in said
    assert out.read_bytes() == before


@pytest.mark.parametrize("changed", range(3))
def test_resume_refuses_another_text_under_an_id_that_is_done(
    changed: int, tmp_path: Path, extract: Run
) -> None:
    """Each note that is done is compared, and not one of them."""
    source, out = write_notes(tmp_path / "in.jsonl", TEXTS[:3]), tmp_path / "out"
    assert extract(source, "-f", "jsonl", "-o", out)[0] == 0
    texts = TEXTS[:3]
    texts[changed] += " "
    write_notes(source, texts)
    code, said = extract(source, "-f", "jsonl", "-o", out, "--resume")
    assert code == 1
    assert f"line {changed + 1}: its note has another text now" in said


@pytest.mark.parametrize("kind", ["input", "memory", "inference"])
def test_resume_refuses_another_text_under_an_id_that_failed(
    kind: str, tmp_path: Path, extract: Run, starter: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note that was read and failed is compared as well; with its own text it stays done."""
    fail_on(starter, ["Note 1:"], kind, monkeypatch)
    source, out = write_notes(tmp_path / "in.jsonl", TEXTS[:3]), tmp_path / "out"
    options = [source, "-f", "jsonl", "-o", out, "--on-error", "skip"]
    assert extract(*options)[0] == 1
    before = out.read_bytes()
    code, said = extract(*options, "--resume")
    assert (code, said.splitlines()[0]) == (1, "clinspan: continuing after 3 notes")
    write_notes(source, [TEXTS[0], TEXTS[1] + " ", TEXTS[2]])
    code, said = extract(*options, "--resume")
    assert code == 1
    assert "line 2: its note has another text now" in said
    assert out.read_bytes() == before


def test_resume_refuses_a_file_without_its_record(tmp_path: Path, extract: Run) -> None:
    """Nobody knows how it was made; the record itself holds nothing of the notes."""
    source, out = write_notes(tmp_path / "in.jsonl", TEXTS[:3]), tmp_path / "out"
    assert extract(source, "-f", "jsonl", "-o", out)[0] == 0
    record = tmp_path / "out.run"
    assert [len(line) for line in record.read_text().splitlines()[1:]] == [32] * 3
    record.unlink()
    code, said = extract(source, "-f", "jsonl", "-o", out, "--resume")
    assert code == 1
    assert "out.run, which says how it was made, is not beside it" in said


def test_resume_does_results_again_that_the_record_lacks(tmp_path: Path, extract: Run) -> None:
    """A power cut may take the record's last lines and not the results'."""
    source, out = write_notes(tmp_path / "in.jsonl", TEXTS[:4]), tmp_path / "out"
    assert extract(source, "-f", "jsonl", "-o", out)[0] == 0
    whole, record = out.read_bytes(), tmp_path / "out.run"
    for cut in (1, 20, 33, 70):
        record.write_bytes(record.read_bytes()[:-cut] + bytes(cut % 2 * 40))
        assert extract(source, "-f", "jsonl", "-o", out, "--resume")[0] == 0
        assert out.read_bytes() == whole
