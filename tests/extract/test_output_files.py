"""`clinspan extract` writes whole lines, keeps what is there, and shows its progress."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.extract_runs import (
    TEXTS,
    Run,
    command,
    finish,
    write_notes,
)

from clinspan.extract import results


def test_an_output_that_is_not_empty_is_kept(tmp_path: Path, extract: Run) -> None:
    """Without --force it is wrong usage to write over a file that is not empty."""
    source, out = write_notes(tmp_path / "in.jsonl", TEXTS[:2]), tmp_path / "out"
    out.touch()
    assert extract(source, "-f", "jsonl", "-o", out)[0] == 0
    first = out.read_bytes()
    code, said = extract(source, "-o", out)
    assert code == 2
    assert "--force" in said
    assert out.read_bytes() == first
    assert extract(source, "-o", out, "--force")[0] == 0
    assert out.read_bytes().startswith(b"# n0: ")


def test_a_wrong_option_touches_no_output(tmp_path: Path, extract: Run) -> None:
    """The results of yesterday outlive a typing error of today, --force or not."""
    source, out = write_notes(tmp_path / "in.jsonl", TEXTS[:2]), tmp_path / "out"
    out.write_text("kept")
    assert extract(source, "-o", out, "--force", "--threshold", "NOLABEL=0.5")[0] == 1
    assert out.read_text() == "kept"


def test_each_line_is_in_the_file_when_it_is_written(tmp_path: Path) -> None:
    """Not in a buffer that dies with the process; and on disk after SYNC_SECONDS and at the end."""
    path = tmp_path / "out"
    with results.ResultFile(path) as file:
        file.write("first")
        assert path.read_bytes() == b"first\n"
        file.write("é\nthird")
        assert path.read_bytes() == "first\né\nthird\n".encode()


def test_lines_reach_the_disk_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After SYNC_SECONDS with the next line, and at the end."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with results.ResultFile(tmp_path / "out") as file:
        for line, expected in (("a", 0), ("b", 0), ("c", 1), ("d", 1)):
            now += results.SYNC_SECONDS / 3
            file.write(line)
            assert len(synced) == expected
    assert len(synced) == 2


def test_a_second_run_into_the_same_file_is_refused(tmp_path: Path, extract: Run) -> None:
    """Two runs would mix their lines; the first one's stay."""
    source, out = write_notes(tmp_path / "in.jsonl", TEXTS[:2]), tmp_path / "out"
    with out.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        code, said = extract(source, "-f", "jsonl", "-o", out, "--resume")
    assert code == 1
    assert "another process is writing to it" in said


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    """One clear line, exit code 1, and --resume goes on once there is room."""
    source = write_notes(tmp_path / "in.jsonl")
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert finish(command(source, "-f", "jsonl", "-o", whole))[0] == 0
    room = len(whole.read_bytes()) // 2 + 7

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    code, said = finish(command(source, "-f", "jsonl", "-o", out, preexec_fn=limit))
    assert code == 1
    assert said == f"clinspan: cannot write {out}: File too large\n".encode()
    written = out.read_bytes()
    assert written
    assert written.endswith(b"\n")
    assert whole.read_bytes().startswith(written)
    assert finish(command(source, "-f", "jsonl", "-o", out, "--resume"))[0] == 0
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("to", ["stdout", "file"])
def test_a_device_without_room_is_one_clear_line(to: str, tmp_path: Path) -> None:
    """Exit code 1 and no traceback, for standard output too."""
    source = write_notes(tmp_path / "in.jsonl", TEXTS[:3])
    with Path("/dev/full").open("wb") as full:
        code, said = finish(command(source, *(["-o", "/dev/full"] if to == "file" else []), stdout=full))
    assert code == 1
    assert said.count(b"\n") == 1
    assert b"No space left on device" in said


def test_a_terminal_sees_notes_and_rate(tmp_path: Path) -> None:
    """On standard error, with the failed notes, ending in a line of its own."""
    source = write_notes(tmp_path / "in.jsonl", TEXTS * 4)
    source.write_bytes(source.read_bytes().replace(b"Note 0:", b"Note \xff0:"))
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "clinspan", "extract", str(source), "--on-error", "skip"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # Linux: the other end is closed
            while part := os.read(ours, 1000):
                said += part
        assert process.wait() == 1
    os.close(ours)
    progress, summary = said.split(b"\r\n", 1)
    assert b" failed, " in progress
    assert b" notes/s, " in progress
    assert summary.startswith(b"clinspan: 4 notes failed")
