"""`clinspan extract` on many notes: nothing lost, nothing twice, whatever happens on the way."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from clinspan import InferenceError, InputError, Recognizer
from clinspan import textfiles as lines
from clinspan.cli.main import main
from clinspan.extract import results
from clinspan.extract.notes import Entry
from clinspan.extract.outcomes import Batch, Failure, outcomes

SECRET = "XYZZYPATIENT"
TEXTS = [
    f"Note {n}: Ménière's disease, pneumonia; given {n} mg of metformin." + " No fever." * (n % 7)
    for n in range(60)
]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def extract(starter: Recognizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `clinspan extract` in this process; gives its exit code and what it said on stderr."""
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: starter)

    def run(*arguments: object) -> tuple[int, str]:
        code = main(["extract", *map(str, arguments)])
        said = capsys.readouterr().err
        assert SECRET not in said
        return code, said

    return run


def write_notes(path: Path, texts: Sequence[str] = TEXTS, ids: Sequence[str] | None = None) -> Path:
    """JSONL of notes."""
    names = [f"n{number}" for number in range(len(texts))] if ids is None else ids
    rows = [{"id": name, "text": text} for name, text in zip(names, texts, strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def ids(path: Path) -> list[str]:
    """Ids of a result file, in order."""
    return [row["id"] for row in rows(path)]


def rows(path: Path) -> list[dict[str, Any]]:
    """Lines of a result file."""
    return [json.loads(line) for line in path.read_bytes().decode("utf-8").splitlines()]


# Sources


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


# Bad notes


def bad_jsonl(path: Path) -> dict[str, str]:
    """A file with good notes and every kind of bad line; gives what is expected of each id."""
    good = json.dumps({"text": TEXTS[0]})
    bad = {
        "not valid JSON": f'{{"text": "{SECRET}'.encode(),
        "expected a JSON object": f'["{SECRET}"]'.encode(),
        "'text' is missing": f'{{"note": "{SECRET}"}}'.encode(),
        "'text' is a number": b'{"text": 5}',
        "not UTF-8": f'{{"text": "{SECRET} \xb0"}}'.encode("latin-1"),
        # How deep is too deep for the json module depends on Python's version; what ends too early is refused anyway.
        "not valid JSON: ": f'{{"text": "{SECRET}", "x": {"[" * 9_000}'.encode(),
        "a key is given twice": f'{{"text": "{SECRET}", "text": "{SECRET}"}}'.encode(),
        "longer than the limit of 10,000 bytes": f'{{"text": "{SECRET * 1000}"}}'.encode(),
        "expected a name": f'{{"id": {{"x": "{SECRET}"}}, "text": "x"}}'.encode(),
    }
    path.write_bytes(b"\n".join(part for line in bad.values() for part in (good.encode(), line)) + b"\n")
    expected: dict[str, str] = {}
    for number, reason in enumerate(bad):
        expected[str(2 * number + 1)] = ""
        expected[str(2 * number + 2)] = reason
    return expected


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
    assert "  2: " in said
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


def fail_on(recognizer: Recognizer, begins: list[str], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the model fail on the notes that begin so."""
    marks = [tuple(recognizer._tokenizer.encode(begin).ids) for begin in begins]
    read, one, several = recognizer._read, recognizer._runner.model.logits, recognizer._runner.model.batch

    def check(*contents: Any) -> None:
        if any(tuple(content[: len(mark)]) == mark for content in contents for mark in marks):
            raise InferenceError("the model gave logits that are not finite numbers")

    def checked_read(note: str, number: int, call: Any) -> Any:
        if note.startswith(tuple(begins)):
            if kind == "memory":
                raise MemoryError
            raise InputError("it has too many characters", note=number)
        return read(note, number, call)

    def checked_one(content: Any, **options: Any) -> Any:
        check(content)
        return one(content, **options)

    def checked_several(contents: Any) -> Any:
        check(*contents)
        return several(contents)

    if kind == "inference":
        monkeypatch.setattr(recognizer._runner.model, "logits", checked_one)
        monkeypatch.setattr(recognizer._runner.model, "batch", checked_several)
    else:
        monkeypatch.setattr(recognizer, "_read", checked_read)


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


# Limits


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


# Output


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


def command(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """`clinspan extract` in a process of its own."""
    words = [sys.executable, "-m", "clinspan", "extract", *map(str, arguments)]
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    return subprocess.Popen(words, stderr=subprocess.PIPE, env=buffered, **options)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Exit code and standard error of a process, once it has ended."""
    _, said = process.communicate()
    return process.returncode, said


# Resume


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
    "other id": (["n0", "x1"], [], "line 2 is of the note 'n1', and the note in its place is 'x1'"),
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


# Terminal


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
