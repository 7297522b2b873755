"""Show a terminal nothing that it would obey, no text given by mistake, and a line if a stream is closed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies

from clinspan.cli.main import main
from clinspan.textfiles import printable

OBEYED = ("\x1b", "\x9b", "\x07", "\x7f", "\u202e", "\u2066", "\r")
SECRET = "Quillfeather"
NOTE = f"Mr {SECRET} has pneumonia.\nHe takes aspirin 81 mg daily; see notes/2024.\n" * 12


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder of notes with escape sequences in their names, texts and lines."""
    folder = tmp_path / "in"
    folder.mkdir()
    text = "Dry\x1bcough and fever\x1b[2Jsince chest\x9b31mpain, \u202enausea\u202c, \x7fvomiting.\n"
    (folder / "a\x1b]0;owned\x07.txt").write_text(text)
    (folder / "b\x1b[2J\u202e.txt").write_bytes(b"\xff")
    (folder / "c.\x1bc").write_text(text)
    return folder


@pytest.mark.parametrize("form", ["table", "jsonl"])
def test_no_terminal_obeys_a_note(odd: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither its text, nor its name, nor what is said of files that are left out or fail."""
    assert main(["extract", str(odd), "--on-error", "skip", "-f", form, "--assertion", "--regimens"]) == 1
    shown = capsys.readouterr()
    assert not [c for c in OBEYED if c in shown.out + shown.err]
    assert "\\x1b" in shown.err
    if form == "jsonl":
        first = json.loads(shown.out.splitlines()[0])
        assert first["id"] == "a\x1b]0;owned\x07.txt"
        whole = next(odd.glob("a*")).read_text()
        assert [whole[span["start"] : span["end"]] for span in first["spans"]] == [
            s["text"] for s in first["spans"]
        ]


def test_no_terminal_obeys_a_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels come from a file of annotations as notes do."""
    gold = tmp_path / "g\x1b[2J.jsonl"
    row = {"text": "pain", "entities": [{"start": 0, "end": 4, "label": "A\x1b[2J\x9bB"}]}
    gold.write_text(json.dumps(row) + "\n" + json.dumps({**row, "entities": 1}) + "\n")
    main(["evaluate", "--gold", str(gold)])
    gold.write_text(json.dumps(row) + "\n")
    main(["evaluate", "--gold", str(gold), "--label", "A\x1b[2J\x9bB"])
    shown = capsys.readouterr()
    assert not [c for c in OBEYED if c in shown.out + shown.err]


@given(strategies.text())
def test_printable_text_says_the_same(text: str) -> None:
    """Nothing is lost but half surrogate pairs: each character is there, or its number."""
    shown = printable(text)
    assert not [c for c in OBEYED if c in shown]
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


ARGUMENTS = {
    "source": lambda text, note: ["extract", text],
    "second source": lambda text, note: ["extract", note, text],
    "--model": lambda text, note: ["extract", note, "--model", text],
    "--output": lambda text, note: ["extract", note, "-o", text.replace("/", "")],
    "--gold": lambda text, note: ["evaluate", "--gold", text],
    "--profile": lambda text, note: ["info", "--profile", text],
    "--notes": lambda text, note: ["bench", "--seconds", "0", "--notes", text],
    "info --model": lambda text, note: ["info", "--model", text],
    "package --model": lambda text, note: ["package", "lambda", "--out", "f.zip", "--model", text],
    "command": lambda text, note: [text],
    "surplus": lambda text, note: ["info", text],
    "choice": lambda text, note: ["extract", note, f"--format={text}"],
}


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("text", [NOTE, NOTE[:27]], ids=["long", "short"])
def test_a_text_in_place_of_a_file_is_not_shown(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The likeliest mistake, `clinspan extract "$(cat note.txt)"`: one line that says so, and exit code 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.txt").write_text("Fever.")
    try:
        code = main(ARGUMENTS[name](text, "n.txt"))
    except SystemExit as exit:  # argparse ends so
        code = int(exit.code or 0)
    shown = capsys.readouterr()
    if not (name == "--output" and len(text) < 100):  # that is a file's name
        assert code == 2 or (code == 1 and name == "--output")
        assert shown.err.strip().splitlines()[-1].startswith("clinspan")
    assert SECRET not in shown.out + shown.err


def run(redirect: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = f"{sys.executable} -m clinspan {redirect}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=folder, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "n.txt").write_text("She has pneumonia.")
    (tmp_path / "m.txt").write_bytes(b"\xff")
    return tmp_path


def test_results_without_standard_error(folder: Path) -> None:
    """A service may have none; messages are then written nowhere, and never among the results."""
    done = run("extract n.txt m.txt -f jsonl --on-error skip -o out.jsonl 2>&-", folder)
    assert done.returncode == 1
    assert [sorted(json.loads(line)) for line in (folder / "out.jsonl").read_text().splitlines()] == [
        ["id", "spans"],
        ["error", "id"],
    ]
    done = run("extract n.txt m.txt -f jsonl --on-error skip 2>&-", folder)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["n.txt", "m.txt"]
    assert run("extract missing.txt 2>&-", folder).returncode == 2


@pytest.mark.parametrize("command", ["extract n.txt", "info"])
def test_closed_standard_output_is_one_line(folder: Path, command: str) -> None:
    """There is nowhere to write the results to."""
    done = run(f"{command} >&-", folder)
    assert (done.returncode, done.stderr) == (1, "clinspan: cannot write to standard output: it is closed\n")


def test_closed_standard_output_is_no_matter_with_a_file(folder: Path) -> None:
    """Nothing else gets into the file, whose number may be that of the closed stream."""
    assert run("extract n.txt -f jsonl -o out.jsonl <&- >&- 2>&-", folder).returncode == 0
    assert [json.loads(line)["id"] for line in (folder / "out.jsonl").read_text().splitlines()] == ["n.txt"]


def test_closed_standard_input_is_one_line(folder: Path) -> None:
    """There is nothing to read."""
    done = run("extract - <&-", folder)
    assert (done.returncode, done.stderr) == (1, "clinspan: -: standard input is closed\n")
