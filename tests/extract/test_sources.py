"""`clinspan extract` reads folders, files and streams of any size whole, or says what it cannot read."""

from __future__ import annotations

import gzip
import os
import sys
import tracemalloc
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from tests.support.extract_runs import (
    SECRET,
    TEXTS,
    Run,
    command,
    finish,
    ids,
    rows,
    write_notes,
)

from clinspan import InputError, Recognizer
from clinspan import textfiles as lines
from clinspan.extract.inputs import columns
from clinspan.extract.notes import Entry, read_notes
from clinspan.extract.outcomes import Batch, Failure, outcomes


def test_a_folder_gives_its_notes_in_order_by_their_relative_paths(tmp_path: Path, extract: Run) -> None:
    """Folders below it too; a line without an id is named by its file and number."""
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "b" / "c").mkdir(parents=True)
    for name in ("z.txt", "b/k.txt", "b/c/é.TXT", "a.txt"):
        (folder / name).write_text(TEXTS[0], encoding="utf-8")
    (folder / "m.jsonl").write_text('{"text": "Fever."}\n\n{"id": 7, "text": ""}\n{"text": "Cough."}\n')
    assert extract(folder, "-f", "jsonl", "-o", out) == (0, "")
    assert ids(out) == ["a.txt", "b/c/é.TXT", "b/k.txt", "m.jsonl:1", "7", "m.jsonl:4", "z.txt"]


def test_gzip_reads_as_the_file_in_it(tmp_path: Path, extract: Run) -> None:
    """Text and JSONL, the spans the same to the byte."""
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.mkdir()
    packed.mkdir()
    (plain / "a.txt").write_text(TEXTS[0], encoding="utf-8")
    write_notes(plain / "b.jsonl")
    for path in plain.iterdir():
        (packed / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    for folder in (plain, packed):
        assert extract(folder, "-f", "jsonl", "-o", tmp_path / f"{folder.name}.out")[0] == 0
    found = (tmp_path / "packed.out").read_bytes()
    assert found == (tmp_path / "plain.out").read_bytes().replace(b'"a.txt"', b'"a.txt.gz"')


def test_files_of_other_kinds_are_counted(tmp_path: Path, extract: Run) -> None:
    """Files of other kinds are counted, never left out silently, and they are not failures."""
    for name in ("a.txt", "b.pdf", "c.PDF", "README"):
        (tmp_path / name).write_text(TEXTS[0], encoding="utf-8")
    code, said = extract(tmp_path)
    assert code == 0
    assert said == "clinspan: left out 3 files of other kinds: 2 .pdf, 1 no suffix\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_links_and_pipes_in_a_folder_do_not_hang(tmp_path: Path, extract: Run) -> None:
    """Loops are not walked, pipes not read, links to nowhere are errors."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "note.txt").write_text(TEXTS[0], encoding="utf-8")
    (folder / "loop").symlink_to(folder)
    (folder / "link.txt").symlink_to("note.txt")
    (folder / "nowhere.txt").symlink_to("gone")
    (folder / "self.txt").symlink_to("self.txt")
    os.mkfifo(folder / "pipe.txt")
    code, said = extract(folder, "-f", "jsonl", "-o", out, "--on-error", "skip")
    assert code == 1
    assert ids(out) == ["link.txt", "note.txt", "nowhere.txt", "self.txt"]
    assert ["error" in row for row in rows(out)] == [False, False, True, True]
    assert "left out 2 files" in said
    assert "1 linked folder" in said
    assert "1 not a regular file" in said


def test_an_output_inside_the_folder_is_not_read(tmp_path: Path, extract: Run) -> None:
    """Neither in the first run nor when it is resumed."""
    (tmp_path / "note.txt").write_text(TEXTS[0], encoding="utf-8")
    out = tmp_path / "a.jsonl"
    assert extract(tmp_path, "-f", "jsonl", "-o", out) == (0, "")
    assert extract(tmp_path, "-f", "jsonl", "-o", out, "--resume")[0] == 0
    assert ids(out) == ["note.txt"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep file names in Unicode")
@pytest.mark.parametrize("form", ["table", "jsonl"])
def test_a_file_name_that_is_not_utf8_is_no_trouble(form: str, tmp_path: Path) -> None:
    """Its note is read, its error told, and its id is the same when the run is resumed."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder / "a") + b"\xff.txt")).write_text(TEXTS[0], encoding="utf-8")
    Path(os.fsdecode(os.fsencode(folder / "b") + b"\xff.txt")).touch()
    options = [folder, "-f", form, "-o", out, "--on-error", "skip"]
    assert finish(command(*options))[0] == 1
    written = out.read_bytes()
    assert written.decode("utf-8").count("empty, no note to read") == 1
    if form == "jsonl":
        assert ids(out) == ["a\udcff.txt", "b\udcff.txt"]
        assert finish(command(*options, "--resume"))[0] == 1
        assert out.read_bytes() == written


def test_a_line_that_decompresses_to_far_more_is_not_held(tmp_path: Path) -> None:
    """256 MiB in one line take little more than the limit, and the line after them is read."""
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for _ in range(64):
            stream.write(b" " * 2**22)
        stream.write(b"\nlast\n")
    tracemalloc.start()
    found = list(lines.scan_lines(path, max_bytes=2**20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [(f"{path}, line 1", None), (f"{path}, line 2", b"last")]
    assert peak < 8 * 2**20


@pytest.mark.parametrize("name", ["note.txt", "note.txt.gz"])
def test_a_text_file_over_the_limit_is_refused(name: str, tmp_path: Path, extract: Run) -> None:
    """By the bytes in it, not those it takes packed; one at the limit is read."""
    path = tmp_path / name
    content = (SECRET + " has fever. ").encode() * 1000
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert extract(path, "--max-note-bytes", len(content))[0] == 0
    code, said = extract(path, "--max-note-bytes", len(content) - 1)
    assert code == 1
    assert f"larger than the limit of {len(content) - 1:,} bytes" in said


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_line_at_the_limit_is_read(end: bytes, tmp_path: Path) -> None:
    """And one byte more is refused, whatever the line end."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"x" * 10 + end)
    assert [line for _, line in lines.scan_lines(path, max_bytes=10)] == [b"x" * 10]
    assert [line for _, line in lines.scan_lines(path, max_bytes=9)] == [None]


def test_an_endless_stream_of_bad_notes_takes_bounded_memory(starter: Recognizer) -> None:
    """Few entries are drawn ahead, good or bad."""
    drawn = 0

    def failing() -> str:
        raise InputError("bad")

    def entries() -> Iterator[Entry]:
        nonlocal drawn
        while True:
            drawn += 1
            yield Entry(str(drawn), "here", failing)

    found = outcomes(Batch(starter), entries())
    for number in range(1, 500):
        assert next(found) == Failure(str(number), "bad")
        assert drawn < number + 50


@pytest.mark.parametrize("blank", ["\n", "\r\n", " \t\n"], ids=["lf", "crlf", "spaces"])
@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.csv.gz", "x.tsv"])
def test_time_of_endless_blank_lines_is_refused_after_the_notes_before_them(
    name: str, blank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_BLANK_LINES", 100)
    monkeypatch.setattr(columns, "MAX_BLANK_LINES", 100)
    if "csv" in name or "tsv" in name:
        begin, blank = (
            "text,other\nFever.,1\n".replace(",", "\t" if "tsv" in name else ","),
            blank.strip(" \t") or "\n",
        )
    else:
        begin = '{"text": "Fever."}\n'
    data = (begin + blank * 100 + begin.splitlines(keepends=True)[-1] + blank * 101).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    notes = read_notes([str(tmp_path / name)])
    assert [next(notes).text, next(notes).text] == ["Fever.", "Fever."]
    with pytest.raises(InputError, match="too many blank lines"):
        next(notes)


def test_memory_of_blank_lines_is_refused_by_their_bytes_too() -> None:
    stream = BytesIO((b" " * 60 + b"\n") * 3)
    with pytest.raises(InputError, match="x, line 2: too many blank lines"):
        list(lines.lines_of(stream, "x", max_bytes=64))
