"""`clinspan extract` with `--on-error`: one bad note costs no other."""

from __future__ import annotations

import gzip
import json
import os
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.support.extract_runs import (
    SECRET,
    TEXTS,
    Run,
    bad_jsonl,
    fail_on,
    ids,
    rows,
    write_notes,
)

from clinspan import Recognizer
from clinspan.engine import calls


def test_skip_isolates_every_bad_line(tmp_path: Path, extract: Run) -> None:
    """There is one line per note, in order, with the error in place of the spans; exit code 1, a report, no text of a note."""
    expected = bad_jsonl(tmp_path / "in.jsonl")
    out = tmp_path / "out"
    options = ["-f", "jsonl", "--on-error", "skip", "--max-note-bytes", "10000"]
    code, said = extract(tmp_path / "in.jsonl", *options, "-o", out)
    assert code == 1
    assert SECRET not in out.read_text(encoding="utf-8")
    found = rows(out)
    assert [row["id"] for row in found] == list(expected)
    for row in found:
        reason = expected[row["id"]]
        assert ("spans" in row) == (not reason)
        assert reason in row.get("error", "")
        assert not reason or f"in.jsonl, line {row['id']}: " in row["error"]
    assert f"clinspan: {len(expected) // 2} notes failed" in said
    assert "in.jsonl, line 2: " in said
    assert "  and 4 more\n" in said


def test_stop_names_the_place_and_keeps_the_notes_before(tmp_path: Path, extract: Run) -> None:
    """The notes before it are kept, those in flight included; once the line is fixed, --resume goes on."""
    source, out = write_notes(tmp_path / "in.jsonl"), tmp_path / "out"
    whole = tmp_path / "whole"
    assert extract(source, "-f", "jsonl", "-o", whole)[0] == 0
    content = source.read_bytes()
    source.write_bytes(content.replace(b'"n40"', f'"n40", "{SECRET}"'.encode()))
    code, said = extract(source, "-f", "jsonl", "-o", out)
    assert code == 1
    assert "in.jsonl, line 41: not valid JSON" in said
    assert ids(out) == [f"n{number}" for number in range(40)]
    source.write_bytes(content)
    assert extract(source, "-f", "jsonl", "-o", out, "--resume")[0] == 0
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "in batches"])
@pytest.mark.parametrize("kind", ["inference", "size", "memory"])
def test_a_note_that_the_model_fails_on_is_isolated(
    kind: str,
    batched: bool,
    tmp_path: Path,
    extract: Run,
    starter: Recognizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All others have the spans they have without it."""
    source = write_notes(tmp_path / "in.jsonl")
    assert extract(source, "-f", "jsonl", "-o", tmp_path / "whole")[0] == 0
    if batched:
        monkeypatch.setattr(starter._runner, "_batch_tokens", 256)
    fail_on(starter, ["Note 17:", "Note 18:", "Note 59:"], kind, monkeypatch)
    code, said = extract(source, "-f", "jsonl", "-o", tmp_path / "out", "--on-error", "skip")
    assert code == 1
    assert "3 notes failed" in said
    for before, now in zip(rows(tmp_path / "whole"), rows(tmp_path / "out"), strict=True):
        if now["id"] in ("n17", "n18", "n59"):
            place = f"{source}, line {int(now['id'][1:]) + 1}"
            assert now["error"].startswith(place)
            assert "note 0" not in now["error"]
        else:
            assert [span["text"] for span in now["spans"]] == [span["text"] for span in before["spans"]]
            assert batched or now == before


def test_a_model_that_fails_on_any_note_ends_the_run(
    tmp_path: Path, extract: Run, starter: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No note is written off for a lost device, even with --on-error skip: --resume reads them all."""
    source = write_notes(tmp_path / "in.jsonl")
    options = [source, "-f", "jsonl", "-o", tmp_path / "out", "--on-error", "skip"]
    with monkeypatch.context() as broken:
        fail_on(starter, [""], "inference", broken)
        code, said = extract(*options)
    assert code == 1
    assert (
        "line 1: the model gave logits that are not finite numbers: the model fails on any note now" in said
    )
    assert (tmp_path / "out").read_bytes() == b""
    assert extract(*options, "--resume")[0] == 0
    assert len(ids(tmp_path / "out")) == len(TEXTS)


def test_a_failing_note_stops_with_its_place(
    tmp_path: Path, extract: Run, starter: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note that the model fails on is named by its file and line too, after the notes before it."""
    source = write_notes(tmp_path / "in.jsonl")
    fail_on(starter, ["Note 30:"], "inference", monkeypatch)
    code, said = extract(source, "-f", "jsonl", "-o", tmp_path / "out")
    assert (code, said) == (
        1,
        f"clinspan: {source}, line 31: the model gave logits that are not finite numbers\n",
    )
    assert len(ids(tmp_path / "out")) == 30


def test_a_note_over_its_time_is_isolated(
    tmp_path: Path, extract: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is each note's own, a long note fails whole, the others have their spans, and --resume goes on."""
    texts, options = [*TEXTS], ["-f", "jsonl", "--on-error", "skip"]
    source, out = write_notes(tmp_path / "in.jsonl", texts), tmp_path / "out"
    assert extract(source, *options, "-o", tmp_path / "whole")[0] == 0
    texts[40] = f"{SECRET} has pneumonia and takes aspirin.\n" * 4000
    write_notes(source, texts)
    monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=count().__next__))  # a second at each look
    timed = [source, *options, "--timeout", "20"]
    code, said = extract(*timed, "-o", out)
    assert code == 1
    assert f"{source}, line 41: the timeout of 20 s passed" in said
    before, now = rows(tmp_path / "whole"), rows(out)
    assert "error" in now.pop(40)
    assert now == [*before[:40], *before[41:]]
    whole = out.read_bytes()
    out.write_bytes(whole[:-5])
    assert extract(*timed, "-o", out, "--resume")[0] == 1
    assert out.read_bytes() == whole
    code, said = extract(source, "-f", "jsonl", "--timeout", "20", "-o", tmp_path / "stopped")
    assert (code, len(ids(tmp_path / "stopped"))) == (1, 40)
    assert f"{source}, line 41: the timeout of 20 s passed" in said


def test_a_note_that_cannot_be_read_says_so_whatever_the_time(
    tmp_path: Path, extract: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a timeout that makes no sense is refused before a file is touched."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out"
    source.write_text('{"text": 5}\n{"text": "Fever."}\n')
    for wrong in ("0", "-1", "nan"):
        code, said = extract(source, "-o", out, "--timeout", wrong)
        assert code == 2
        assert "expected seconds, more than 0" in said
        assert not out.exists()
    monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=count(step=9).__next__))
    assert extract(source, "-f", "jsonl", "-o", out, "--timeout", "1", "--on-error", "skip")[0] == 1
    errors = [row["error"] for row in rows(out)]
    assert "'text' is a number" in errors[0]
    assert "the timeout of 1 s passed" in errors[1]


def test_a_table_shows_a_failed_note_in_its_place(tmp_path: Path, extract: Run) -> None:
    """A heading that says so."""
    (tmp_path / "a.txt").write_bytes(b"\xff")
    (tmp_path / "b.txt").write_text(TEXTS[0], encoding="utf-8")
    out = tmp_path / "out"
    assert extract(tmp_path, "-o", out, "--on-error", "skip")[0] == 1
    headings = [line for line in out.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert headings[0].startswith("# a.txt: failed: ")
    assert headings[1].startswith("# b.txt: ")


def test_gzip_that_breaks_off_keeps_the_lines_before(tmp_path: Path, extract: Run) -> None:
    """The file's error follows the notes that could be read, and the next file is read."""
    lines_in = [json.dumps({"text": f"Fever. {os.urandom(500).hex()}"}) for _ in range(40)]
    packed = gzip.compress("\n".join(lines_in).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "b.txt").write_text(TEXTS[0], encoding="utf-8")
    out = tmp_path / "out"
    assert extract(tmp_path, "-f", "jsonl", "-o", out, "--on-error", "skip")[0] == 1
    *read, cut, last = rows(out)
    assert len(read) > 5
    assert all("spans" in row for row in [*read, last])
    assert (cut["id"], last["id"]) == ("a.jsonl.gz", "b.txt")
    assert "ends too early" in cut["error"]
