"""`extract -f NAME`: what each format holds is what the model found, read back by a reader of that format."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.support.marked_note import NOTE

from clinspan import Recognizer, Span
from clinspan.cli.main import main
from clinspan.documents.annotated import read_annotated
from clinspan.extract.output_formats import FORMATS, NOT_TEXT, RESUMES

TEXTS = {"a": NOTE, "b/2.txt": "She has pneumonia.\n\nTakes aspirin 81 mg.", "c": "Well."}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.jsonl"
    lines = [json.dumps({"id": name, "text": text}) for name, text in TEXTS.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def found(starter: Recognizer) -> dict[str, list[Span]]:
    return dict(zip(TEXTS, starter.pipe(TEXTS.values()), strict=True))


def written(source: Path, form: str, *more: str) -> Path:
    out = source.with_name(f"out-{form}")
    assert main(["extract", str(source), "-f", form, "-o", str(out), *more]) == 0
    return out


def places(spans: list[Span]) -> list[tuple[str, int, int]]:
    return [(span.label, span.start, span.end) for span in spans]


@pytest.mark.parametrize("form", ["automl", "brat"])
def test_annotated_documents_read_back_whole(form: str, notes: Path, found: dict[str, list[Span]]) -> None:
    """Texts and offsets are those of the notes; BRAT's files are named for the notes."""
    read = list(read_annotated(written(notes, form), format=form))
    assert sorted(document.text for document in read) == sorted(TEXTS.values())
    for document in read:
        (name,) = [name for name, text in TEXTS.items() if text == document.text]
        assert [(e.label, e.start, e.end) for e in document.entities] == places(found[name])
    if form == "brat":
        assert {document.id for document in read} == {"a", "b_2", "c"}


def test_conll_reads_back_with_the_same_entities(notes: Path, found: dict[str, list[Span]]) -> None:
    """A document per note; the words of each entity are the span's."""
    read = list(read_annotated(written(notes, "conll"), format="conll"))
    assert len(read) == len(TEXTS)
    for document, spans in zip(read, found.values(), strict=True):
        words = [re.sub(r"\s", "", document.text[e.start : e.end]) for e in document.entities]
        assert words == [re.sub(r"\s", "", span.text) for span in spans]


def test_nervaluate_scores_our_conll_against_itself_as_perfect(
    notes: Path, found: dict[str, list[Span]]
) -> None:
    """Its own reader counts as many entities as were found."""
    nervaluate = pytest.importorskip("nervaluate")
    text = written(notes, "conll").read_text(encoding="utf-8")
    tokens = "\n".join(line for line in text.splitlines() if not line.startswith("-DOCSTART-"))
    evaluator = nervaluate.Evaluator(
        tokens, tokens, tags=sorted({s.label for spans in found.values() for s in spans}), loader="conll"
    )
    scores = evaluator.evaluate()["overall"]["strict"]
    assert (scores.correct, scores.incorrect) == (sum(map(len, found.values())), 0)


def test_seqeval_finds_the_entities_of_our_conll(notes: Path, found: dict[str, list[Span]]) -> None:
    """As many of each label as were found, strictly by BIO."""
    seqeval = pytest.importorskip("seqeval.metrics.sequence_labeling")
    lines = written(notes, "conll").read_text(encoding="utf-8").splitlines()
    tags = [line.split("\t")[1] if "\t" in line else "O" for line in lines]
    read = Counter(label for label, _, _ in seqeval.get_entities(tags))
    assert read == Counter(span.label for spans in found.values() for span in spans)


def test_csv_has_a_row_for_each_span(notes: Path, found: dict[str, list[Span]]) -> None:
    """Line ends and quotation marks inside a text survive."""
    rows = list(csv.DictReader(io.StringIO(written(notes, "csv").read_text(encoding="utf-8"))))
    for name, spans in found.items():
        own = [row for row in rows if row["id"] == name]
        assert [(row["label"], int(row["start"]), int(row["end"])) for row in own] == places(spans)
        assert [row["text"] for row in own] == [span.text for span in spans]
    assert {row["text"] for row in rows if row["negated"] == "True"} == {"fever"}


def test_omop_numbers_its_rows_through_all_notes(notes: Path, found: dict[str, list[Span]]) -> None:
    """A key is never given twice."""
    rows = list(csv.DictReader(io.StringIO(written(notes, "omop").read_text(encoding="utf-8"))))
    assert [int(row["note_nlp_id"]) for row in rows] == list(range(1, 1 + sum(map(len, found.values()))))


class _Page(HTMLParser):
    """The texts of the notes on a page, and how many marks they have."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.marks = 0
        self.inside = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "pre":
            self.inside = True
            self.notes.append("")
        self.marks += tag == "mark"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.notes[-1] += data


def test_html_holds_the_notes_to_the_character(notes: Path, found: dict[str, list[Span]]) -> None:
    """Markup in a note is text on the page, and every span is marked."""
    page = _Page()
    page.feed(written(notes, "html").read_text(encoding="utf-8"))
    # A parser of HTML drops the line end behind the tag; this one keeps it.
    assert [note.removeprefix("\n") for note in page.notes] == list(TEXTS.values())
    assert page.marks == sum(map(len, found.values()))


def test_the_text_that_was_read_goes_beside_the_spans(notes: Path) -> None:
    """With --with-text the offsets can be used without the input."""
    for line in written(notes, "jsonl", "--with-text").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert all(row["text"][span["start"] : span["end"]] == span["text"] for span in row["spans"])
        assert row["text"] == TEXTS[row["id"]]


@pytest.mark.parametrize("form", RESUMES)
def test_every_format_of_lines_is_continued_where_it_was_cut(form: str, notes: Path) -> None:
    """As JSON lines of our own are: byte for byte the same file."""
    out = written(notes, form)
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) * 2 // 3])
    assert main(["extract", str(notes), "-f", form, "-o", str(out), "--resume"]) == 0
    assert out.read_bytes() == whole


def test_a_format_does_not_continue_the_file_of_another(
    notes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines of two shapes never get into one file."""
    out = written(notes, "aws")
    assert main(["extract", str(notes), "-f", "google", "-o", str(out), "--resume"]) == 1
    assert "made with another format" in capsys.readouterr().err


PLACES = {"csv": "not UTF-8", "html": "failed: ", "fhir": "OperationOutcome", "aws": '"error": '}


@pytest.mark.parametrize("form", [name for name in FORMATS if name != "parquet"])
def test_a_note_that_fails_is_told_in_every_format(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its place where the format has one, and at the end in any case, with exit code 1."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_bytes(b"\xff")
    (tmp_path / "in" / "b.txt").write_text("She has pneumonia.")
    out = tmp_path / "out"
    assert main(["extract", str(tmp_path / "in"), "-f", form, "-o", str(out), "--on-error", "skip"]) == 1
    said = capsys.readouterr().err
    assert "1 note failed" in said
    files = out.rglob("*") if form in NOT_TEXT else [out]
    content = "".join(path.read_text(encoding="utf-8") for path in files)
    assert "pneumonia" in content
    assert ("as the output says too" in said) == ("not UTF-8" in content)
    assert PLACES.get(form, "") in content


def test_a_label_without_a_place_stops_the_run_before_it_begins(
    notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way out is named: --rename."""
    monkeypatch.setattr(Recognizer, "labels", ("DRUG", "GENE"))
    assert main(["extract", str(notes), "-f", "aws", "-o", str(tmp_path / "out")]) == 2
    assert "no place for GENE: --rename" in capsys.readouterr().err
    assert (
        main(["extract", str(notes), "-f", "aws", "--rename", "GENE=PROBLEM", "-o", str(tmp_path / "out")])
        == 0
    )


def test_a_renamed_label_is_renamed_in_the_output(notes: Path) -> None:
    """For any format."""
    assert "MEDICATION" in written(notes, "conll", "--rename", "DRUG=MEDICATION").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-f", "brat"], "needs --output"),
        (["-f", "parquet"], "needs --output"),
        (["-f", "csv", "--with-text"], "goes with --format jsonl"),
        (["-f", "html", "-o", "x", "--resume"], "--resume continues a file of JSON lines"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[str], said: str, notes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a model is loaded."""
    assert main(["extract", str(notes), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_brat_writes_into_an_empty_folder_alone(
    notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with files needs --force, and two notes of one name are refused."""
    out = written(notes, "brat")
    assert main(["extract", str(notes), "-f", "brat", "-o", str(out)]) == 2
    assert "not empty" in capsys.readouterr().err
    twice = tmp_path / "twice.jsonl"
    twice.write_text('{"id": "a/b", "text": "x"}\n{"id": "a_b", "text": "y"}\n')
    assert main(["extract", str(twice), "-f", "brat", "-o", str(tmp_path / "other")]) == 1
    assert "two notes would be written as a_b.txt" in capsys.readouterr().err


def test_parquet_is_read_by_pandas_polars_and_duckdb(notes: Path, found: dict[str, list[Span]]) -> None:
    """The same rows in each, with real booleans and integers."""
    pytest.importorskip("pyarrow")
    pandas, polars, duckdb = (pytest.importorskip(name) for name in ("pandas", "polars", "duckdb"))
    out = written(notes, "parquet")
    expected = [span.text for spans in found.values() for span in spans]
    assert list(pandas.read_parquet(out)["text"]) == expected
    frame = polars.read_parquet(out)
    assert frame["text"].to_list() == expected
    assert frame.filter(polars.col("negated"))["text"].to_list() == ["fever"]
    assert duckdb.sql(f"select count(*) from read_parquet('{out}')").fetchall() == [(len(expected),)]


def test_a_parquet_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """A run that stops leaves nothing that looks finished."""
    pytest.importorskip("pyarrow")
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "Fever."}\nnot json\n')
    assert main(["extract", str(source), "-f", "parquet", "-o", str(tmp_path / "out.parquet")]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_terminal_gets_a_grouped_table_in_colour_unless_it_wants_none(
    notes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR is obeyed; rows of one label stand together."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["extract", str(notes)]) == 0
    coloured = capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["extract", str(notes)]) == 0
    plain = capsys.readouterr().out
    assert "\x1b[" in coloured
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
    first = plain.split("# ")[1].splitlines()[1:]
    labels = [line.split()[2] for line in first if line.strip()]
    assert labels == sorted(labels)
