"""The command line: results to stdout, one clear line for what is wrong, never a note's text."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.example_notes import EXAMPLES, ROOT

from clinspan import Recognizer
from clinspan.cli.main import main

SECRET = "XYZZYPATIENT"


def run(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The command line in its own process."""
    return subprocess.run(
        [sys.executable, "-m", "clinspan", *arguments], input=data, capture_output=True, check=False
    )


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and the one line on stderr."""
    try:
        code = main(arguments)
    except SystemExit as leave:
        code = int(leave.code or 0)
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Traceback" not in streams.err
    assert SECRET not in streams.err
    return code, streams.err


def rows(text: str) -> list[dict[str, object]]:
    """Parsed JSONL."""
    return [json.loads(line) for line in text.splitlines()]


def test_a_note_gives_the_spans_of_the_library(
    capsys: pytest.CaptureFixture[str], starter: Recognizer
) -> None:
    """JSONL carries label, offsets, text and score."""
    path = EXAMPLES[2]
    assert main(["extract", str(path), "--format", "jsonl"]) == 0
    (row,) = rows(capsys.readouterr().out)
    assert row["id"] == str(path)
    assert row["spans"] == [
        {"label": s.label, "start": s.start, "end": s.end, "text": s.text, "score": round(s.score, 6)}
        for s in starter.recognize(path.read_bytes().decode())
    ]


def test_a_table_has_a_heading_and_a_row_for_each_span(
    capsys: pytest.CaptureFixture[str], starter: Recognizer
) -> None:
    """For people: offsets, label, score and text on one line."""
    path = EXAMPLES[2]
    spans = starter.recognize(path.read_bytes().decode())
    assert main(["extract", str(path)]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.startswith(f"# {path}: {len(spans)} entities")
    assert len(lines) == len(spans)


def test_a_command_is_imported_only_when_it_is_asked_for() -> None:
    """`clinspan --version` and `clinspan info` do not wait for what other commands need."""
    code = (
        "import sys\nfrom clinspan.cli.main import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(*sorted(m for m in sys.modules if m.startswith('clinspan.cli.')))"
    )
    always = {"clinspan.cli.main", "clinspan.cli.console"}
    for arguments, own in ((["--version"], set()), (["info", "--help"], {"clinspan.cli.info"})):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        assert set(done.stdout.splitlines()[-1].split()) - {"clinspan.cli.load_flags"} == always | own


def test_notes_of_a_jsonl_keep_their_ids_and_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    """One result per line, an empty one for an empty note."""
    path = ROOT / "examples" / "notes.jsonl"
    assert main(["extract", str(path), "-f", "jsonl"]) == 0
    found = rows(capsys.readouterr().out)
    assert [row["id"] for row in found] == [row["id"] for row in rows(path.read_text(encoding="utf-8"))]
    assert found[-1]["spans"] == []


def test_standard_input_is_a_note() -> None:
    """`-` reads UTF-8 from a pipe."""
    done = run("extract", "-", "-f", "jsonl", data="Ménière's, pneumonia.".encode())
    assert done.returncode == 0, done.stderr
    (row,) = rows(done.stdout.decode("utf-8"))
    assert "pneumonia" in [span["text"] for span in row["spans"]]  # type: ignore[attr-defined]


def test_results_are_utf8_whatever_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A terminal that knows only ASCII neither breaks the run nor changes the text."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    note = tmp_path / "note.txt"
    note.write_text("She has Ménière's disease and pneumonia.", encoding="utf-8")
    for shape in ("table", "jsonl"):
        done = run("extract", str(note), "-f", shape)
        assert done.returncode == 0, done.stderr
        assert "Ménière" in done.stdout.decode("utf-8")


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    """Offsets count the characters of the note, without the mark."""
    note = tmp_path / "note.txt"
    note.write_bytes(b"\xef\xbb\xbfHPI:\r\nShe has pneumonia.\r\n")
    (row,) = rows(run("extract", str(note), "-f", "jsonl").stdout.decode())
    (span,) = [s for s in row["spans"] if s["text"] == "pneumonia"]  # type: ignore[attr-defined]
    assert (span["start"], span["end"]) == (14, 23)


def test_output_goes_to_the_file_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing to stdout."""
    out = tmp_path / "out.jsonl"
    assert main(["extract", str(EXAMPLES[0]), "-f", "jsonl", "-o", str(out)]) == 0
    assert capsys.readouterr().out == ""
    assert len(rows(out.read_text(encoding="utf-8"))) == 1


def test_an_output_over_the_input_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The note is still there afterwards."""
    note = tmp_path / "note.txt"
    note.write_text(SECRET)
    code, line = complaint(capsys, "extract", str(note), "-o", str(note))
    assert code == 2
    assert "input" in line
    assert note.read_text() == SECRET


def test_a_threshold_leaves_out_what_scores_less(capsys: pytest.CaptureFixture[str]) -> None:
    """One number, or one per label."""
    path = str(EXAMPLES[0])
    main(["extract", path, "-f", "jsonl"])
    every = rows(capsys.readouterr().out)[0]["spans"]
    main(["extract", path, "-f", "jsonl", "--threshold", "0.8"])
    kept = rows(capsys.readouterr().out)[0]["spans"]
    assert kept == [span for span in every if span["score"] >= 0.8]  # type: ignore[attr-defined]
    main(["extract", path, "-f", "jsonl", "--threshold", "PROBLEM=1"])
    assert "PROBLEM" not in {s["label"] for s in rows(capsys.readouterr().out)[0]["spans"]}  # type: ignore[attr-defined]


def test_info_prints_the_report(capsys: pytest.CaptureFixture[str], starter: Recognizer) -> None:
    """As JSON."""
    assert main(["info", "--threads", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == starter.report().sha256


BAD_FILES = {
    "latin1": ("note.txt", f"{SECRET} temp 38 \xb0C".encode("latin-1"), 1, "not UTF-8"),
    "empty": ("note.txt", b"", 1, "empty"),
    "jsonl-empty": ("notes.jsonl", b"\n\n", 1, "empty"),
    "jsonl-broken": ("notes.jsonl", f'{{"text": "{SECRET}'.encode(), 1, "line 1: not valid JSON"),
    "jsonl-list": ("notes.jsonl", f'[["{SECRET}"]]'.encode(), 1, "item 1: a list"),
    "jsonl-no-text": ("notes.jsonl", f'{{"note": "{SECRET}"}}'.encode(), 1, "'text' is missing"),
    "jsonl-number": ("notes.jsonl", b'{"text": 5}', 1, "expected a string"),
    "jsonl-twice": ("notes.jsonl", f'{{"text": "{SECRET}", "text": ""}}'.encode(), 1, "a key is given twice"),
    "jsonl-deep": (
        "notes.jsonl",
        f'{{"text": "{SECRET}", "x": {"[" * 200_000}'.encode(),
        1,
        "line 1: not valid JSON: nested too deeply",
    ),
    "jsonl-id": ("notes.jsonl", f'{{"id": ["{SECRET}"], "text": "x"}}'.encode(), 1, "expected a name"),
    "gzip-none": ("note.txt.gz", SECRET.encode(), 1, "not gzip data"),
    "gzip-cut": ("note.txt.gz", gzip.compress(SECRET.encode() * 50)[:-9], 1, "ends too early"),
    "gzip-jsonl-cut": ("n.jsonl.gz", gzip.compress(f'{{"x": "{SECRET}"'.encode())[:-9], 1, "ends too early"),
    "jsonl-latin1": ("notes.jsonl", f'{{"text": "{SECRET} \xb0"}}'.encode("latin-1"), 1, "line 1: not UTF-8"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_no_note_is_one_clear_line(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, the file and the line named, no text of the note."""
    name, data, expected, message = BAD_FILES[case]
    path = tmp_path / name
    path.write_bytes(data)
    code, line = complaint(capsys, "extract", str(path))
    assert code == expected
    assert message in line
    assert str(path) in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["extract"], 2),
        (["extract", "gone.txt"], 2),
        (["extract", "EMPTY"], 1),
        (["extract", "NOTE", "--max-note-bytes", "0"], 2),
        (["extract", "NOTE", "--resume"], 2),
        (["extract", "NOTE", "--resume", "-o", "OUT"], 2),
        (["extract", "NOTE", "--resume", "-f", "jsonl"], 2),
        (["extract", "NOTE", "--resume", "--force", "-f", "jsonl", "-o", "OUT"], 2),
        (["extract", "NOTE", "--resume", "-f", "jsonl", "-o", "/dev/null"], 2),
        (["extract", "NOTE", "--format", "xml"], 2),
        (["extract", "NOTE", "--threshold", "high"], 2),
        (["extract", "NOTE", "--threshold", "2"], 1),
        (["extract", "NOTE", "--threshold", "NOLABEL=0.5"], 1),
        (["extract", "NOTE", "--threshold", "0.5", "--threshold", "PROBLEM=0.2"], 2),
        (["extract", "NOTE", "--model", "gone"], 2),
        (["extract", "NOTE", "--model", "EMPTY"], 1),
        (["extract", "NOTE", "--device", "tpu"], 2),
        (["extract", "NOTE", "--precision", "fp8"], 2),
        (["extract", "NOTE", "--window", "100000"], 2),
        (["extract", "NOTE", "--threads", "0"], 2),
        (["extract", "NOTE", "--threads", "two"], 2),
        (["extract", "NOTE", "--max-characters", "0"], 2),
        (["extract", "NOTE", "--max-characters", "5"], 1),
        (["extract", "NOTE", "-o", "gone/out"], 1),
        (["frobnicate"], 2),
        ([], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_is_one_clear_line(
    arguments: Sequence[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 or 2, no traceback, no text of the note."""
    note = tmp_path / "note.txt"
    note.write_text(f"{SECRET} has pneumonia.")
    (tmp_path / "empty").mkdir()
    names = {"NOTE": str(note), "EMPTY": str(tmp_path / "empty"), "OUT": str(tmp_path / "out")}
    found, text = complaint(capsys, *(names.get(a, a) for a in arguments))
    assert found == code
    assert text.splitlines()[-1].startswith("clinspan")


def test_an_interrupt_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 130, as shells expect."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Recognizer, "load", interrupt)
    assert complaint(capsys, "extract", str(EXAMPLES[0])) == (130, "clinspan: interrupted\n")


def test_progress_is_only_shown_on_a_terminal() -> None:
    """A pipe's stderr stays empty."""
    done = run("extract", *map(str, EXAMPLES[:3]))
    assert done.returncode == 0
    assert done.stderr == b""


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    """`clinspan extract ... | head -1` ends with exit code 1 and not a word."""
    command = [sys.executable, "-m", "clinspan", "extract", *map(str, EXAMPLES * 3)]
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered) as process:
        assert isinstance(process.stdout, io.BufferedReader)
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 1
