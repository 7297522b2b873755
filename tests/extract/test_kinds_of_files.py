"""Kind L: a file with structure is never read as one plain note, whatever its name; what cannot be read is named."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from clinspan import InputError
from clinspan.extract.inputs.entry import ReadOptions
from clinspan.extract.notes import Note, list_notes

TWO = [Note("a", "Takes aspirin."), Note("b", "Has pneumonia.")]
TABLE = "id,text\na,Takes aspirin.\nb,Has pneumonia.\n"
OBJECTS = '{"id": "a", "text": "Takes aspirin."}\n{"id": "b", "text": "Has pneumonia."}\n'
CDA = "<ClinicalDocument><component><structuredBody><component><section><title>Plan</title><text>{}</text></section>"
CDA += "</component></structuredBody></component></ClinicalDocument>"

Read = Callable[..., list[Note]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file with some content; an entry that fails raises."""

    def run(content: str | bytes, name: str, **options: object) -> list[Note]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [Note(e.id, e.read()) for e in list_notes([str(path)], ReadOptions(**options))]  # type: ignore[arg-type]

    return run


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"\ufeff{TABLE}", "n.csv"),
        (TABLE.replace("id,text", '\ufeff"id","text"').replace("\n", "\r\n"), "n.csv"),
        (TABLE.replace("\n", "\r"), "n.csv"),
        ("sep=;\r\n" + TABLE.replace(",", ";"), "n.csv"),
        (TABLE.replace(",", "|"), "n.csv"),
        (TABLE, "n.tsv"),
        ("id, text\na, Takes aspirin.\nb, Has pneumonia.\n", "n.csv"),
        ('id,"more\n""or"" less",text\na,,Takes aspirin.\nb,x,Has pneumonia.\n', "n.csv"),
        (TABLE, "n.dat"),
        (TABLE.replace(",", "\t"), "export"),
        (TABLE.replace(",", ";"), "n.txt"),
    ],
    ids=["bom", "quoted", "mac", "excel", "bar", "commas", "spaced", "header", "dat", "tabs", "txt"],
)
def test_a_table_is_read_however_it_is_written(content: str, name: str, read: Read) -> None:
    """By its columns: other separators, line ends and quotes, and under names that do not say what it is."""
    assert read(content, name) == TWO


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,Text\na,x\n", "names no column 'text', but 'Text'"),
        ("id,text,text\na,x,y\n", "the column 'text' twice"),
        ("id,text,id\na,x,y\n", "the column 'id' twice"),
    ],
)
def test_columns_that_cannot_be_told_apart_are_refused(content: str, said: str, read: Read) -> None:
    """One of them would be read and the other dropped without a word."""
    with pytest.raises(InputError, match=said):
        read(content, "n.csv")


@pytest.mark.parametrize(
    "note",
    ["Allergies, text\nnone, at all", "text\nmore", "a,text\nno more", "context, text\nb", "id,text"],
)
def test_a_note_whose_first_line_has_separators_is_a_note(note: str, read: Read) -> None:
    """Only names, with a row of as many fields below, make a table."""
    assert [found.text for found in read(note, "n.txt")] == [note]


def test_a_line_without_end_is_refused_and_not_held(tmp_path: Path) -> None:
    """As a header, as a row, as a cell over many lines; 64 MiB that a small file unpacks to are not kept."""
    for begin, filler in (("", "x"), ("text\n", "x"), ('text\n"', "x\n"), ('"', "x\n")):
        path = tmp_path / "n.csv.gz"
        with gzip.open(path, "wb", compresslevel=1) as stream:
            stream.write(begin.encode())
            for _ in range(16):
                stream.write(filler.encode() * (2**22 // len(filler)))
        tracemalloc.start()
        *_, last = list_notes([str(path)], ReadOptions(max_bytes=2**16))
        with pytest.raises(InputError, match="a row longer than the limit of 65,536 bytes"):
            last.read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * 2**20


@pytest.mark.parametrize("name", ["n.json", "n.dat"])
def test_a_json_array_of_texts_is_its_texts(name: str, read: Read) -> None:
    """Numbered, since they have no names."""
    notes = read('["Takes aspirin.",\n "Has pneumonia."]', name)
    assert notes == [Note("1", TWO[0].text), Note("2", TWO[1].text)]


@pytest.mark.parametrize(
    ("content", "name"),
    [(OBJECTS, "n.json"), (f"[{OBJECTS.strip().replace(chr(10), ',' + chr(10))}]", "n.jsonl")],
    ids=["lines in .json", "array in .jsonl"],
)
def test_json_is_read_under_the_other_forms_name(content: str, name: str, read: Read) -> None:
    """Tools write lines into .json, and arrays into .jsonl."""
    assert read(content, name) == TWO


@pytest.mark.parametrize(
    "content",
    ['{\n "text": "a"\n}\n{\n "text": "b"\n}\n', '[{"text": "Takes aspirin."}, {"te', '{"text": "Takes'],
    ids=["many objects", "cut list", "cut object"],
)
def test_json_that_is_cut_or_strung_together_is_refused(content: str, read: Read) -> None:
    """It begins as no note does."""
    with pytest.raises(InputError, match="not valid JSON"):
        read(content, "n.dat")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<!-- from the ward --><html><body>Takes<br>aspirin.</body></html>", "Takes\naspirin."),
        ("<p>Takes aspirin.</p>\n<p>No fever.</p>\n", "Takes aspirin.\nNo fever."),
        (
            "<html><head><title>x</title><meta charset=utf-8><body>Takes aspirin.</body></html>",
            "Takes aspirin.",
        ),
        ("<!DOCTYPE html><title>x</title>Takes aspirin.", "Takes aspirin."),
    ],
    ids=["comment", "fragment", "open head", "no head"],
)
def test_html_is_read_as_browsers_do(content: str, text: str, read: Read) -> None:
    """Tags that HTML lets one leave out, and pieces of a page, lose no text."""
    assert [note.text for note in read(content, "n.dat")] == [text]


def test_a_cda_document_keeps_what_its_markup_means(read: Read) -> None:
    """CDATA, entities and characters by number are text; offsets count what was read."""
    inner = "Potassium &lt; 4, <![CDATA[K+ < 5 & more]]>, 5 &#181;g<br/><content>Nested <content>text</content></content>"
    assert read(CDA.format(inner), "n.xml")[0].text == (
        "Plan\nPotassium < 4, K+ < 5 & more, 5 \xb5g\nNested text"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<record><text>Takes <b>aspirin</b> &amp; more</text></record>\n", "not a C-CDA document"),
        ('<?xml version="1.0"?><!-- x --><note>Takes aspirin.</note>', "not a C-CDA document"),
        ("<html><body><script>1</script></body></html>", "no text in it"),
        (CDA.replace("<title>Plan</title>", "").format(""), "no text in it"),
    ],
    ids=["element", "declared", "empty page", "empty document"],
)
def test_markup_without_a_reader_or_without_text_is_refused(content: str, said: str, read: Read) -> None:
    """Never a note full of tags, never an empty answer."""
    with pytest.raises(InputError, match=said):
        read(content, "n.dat")


HEAD = "MSH|^~\\&|A|B|||202001010000||MDM^T02|1|P|2.3"


@pytest.mark.parametrize(
    ("message", "texts"),
    [
        (
            f"{HEAD}\rOBX|1|FT|N||a\\.br\\b \\F\\ \\S\\ \\R\\ \\E\\ \\T\\ \\H\\c\\N\\ \\X26\\~d|\r",
            ["a\nb | ^ ~ \\ & c &\nd"],
        ),
        (f"{HEAD}\rOBX|1|TX|N||a\nb|\rOBX|2|TX|N||c|\r", ["a\nb\nc"]),
        (f"{HEAD}\r\nOBX|1|TX|N||a|\r\n{HEAD}\nOBX|1|TX|N||b|\n", ["a", "b"]),
        (f"\x0b{HEAD}\rOBX|1|TX|N||a|\r\x1c\r\x0b{HEAD}\rOBX|1|TX|N||b|\r\x1c\r", ["a", "b"]),
        ("MSH#^~\\&#A#B\nOBX#1#TX#N##a | b#\n", ["a | b"]),
    ],
    ids=["escapes", "line feed in a value", "mixed ends", "framed", "other separator"],
)
def test_an_hl7_message_loses_no_text(message: str, texts: list[str], read: Read) -> None:
    """Escapes, repetitions, frames of the transport, and line feeds that interfaces leave in values."""
    assert [note.text for note in read(message, "n.dat")] == texts


def test_a_line_of_hl7_that_is_no_segment_is_refused(read: Read) -> None:
    """A value with a line end in it would lose its second line."""
    with pytest.raises(InputError, match=r"segment 3: does not begin with the name of a segment"):
        read(f"{HEAD}\nOBX|1|TX|N||Takes\naspirin.|\nOBX|2|TX|N||c|\n", "n.hl7")


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04", r"as .docx and .xlsx are"),
        (b"\xd0\xcf\x11\xe0", "an old Office document"),
        (gzip.compress(b"a note"), r"a name that ends in .gz"),
    ],
    ids=["pdf", "docx", "doc", "gzip"],
)
def test_a_document_of_another_program_is_named(
    begin: bytes, said: str, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file and on standard input; "not UTF-8" would send the reader to encodings."""
    with pytest.raises(InputError, match=said):
        read(begin + b"rest", "n.bin")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(begin + b"rest")))
    (failing,) = list_notes(["-"], ReadOptions())
    with pytest.raises(InputError, match=said):
        failing.read()


@pytest.mark.parametrize("content", [TABLE, TABLE.replace(",", "\t"), OBJECTS, '["Takes aspirin."]'])
def test_standard_input_is_seen_by_its_content(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table too, by the names in its first line."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    notes = [e.read() for e in list_notes(["-"], ReadOptions())]
    assert notes == [note.text for note in TWO][: len(notes)]


def test_a_table_of_columns_is_read_without_its_suffix_and_needs_rows(tmp_path: Path, read: Read) -> None:
    """Parquet by its first bytes; a table without a row is an error as an empty file is."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "table"
    parquet.write_table(arrow.table({"id": ["a", "b"], "text": [note.text for note in TWO]}), path)
    assert [Note(e.id, e.read()) for e in list_notes([str(path)], ReadOptions())] == TWO
    parquet.write_table(arrow.table({"text": arrow.array([], arrow.string())}), path)
    (failing,) = list_notes([str(path)], ReadOptions())
    with pytest.raises(InputError, match="no row to read"):
        failing.read()
