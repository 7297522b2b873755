"""Files with structure are read as what they are, or refused in one line; never as one plain note."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clinspan import InputError
from clinspan.cli.main import main
from clinspan.extract.inputs import hl7, markup
from clinspan.extract.inputs.entry import ReadOptions
from clinspan.extract.notes import Note, list_notes

TWO = [Note("a", "Takes aspirin."), Note("b", "Has pneumonia.")]
LINES = '{"id": "a", "text": "Takes aspirin."}\n{"id": "b", "text": "Has pneumonia."}\n'
ARRAY = f"[{LINES.strip().replace(chr(10), ',')}]"
HL7 = (
    "MSH|^~\\&|A|B|||202001010000||ORU^R01|1|P|2.3\r"
    "OBX|1|TX|N^Note||Takes aspirin.\\.br\\Has \\T\\ pneumonia.||||||F\r"
    "OBX|2|NM|K^Potassium||4.1|mmol/L|||||F\r"
    "OBX|3|FT|N^Note||No fever.~No cough.||||||F\r"
)
HL7_TEXT = "Takes aspirin.\nHas & pneumonia.\nNo fever.\nNo cough."
CDA = (
    '<?xml version="1.0" encoding="UTF-8"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>Summary</title>'
    "<component><structuredBody><component><section><title>Medications</title><text><list><item>aspirin  81 mg</item>"
    "<item>metformin</item></list><table><tr><td>K</td><td>4.1</td></tr></table></text>"
    "<entry><act><text>coded aspirin</text></act></entry></section></component></structuredBody></component>"
    "</ClinicalDocument>"
)
CDA_TEXT = "Summary\nMedications\naspirin 81 mg\nmetformin\nK\t4.1"
HTML = (
    "<!doctype html><html><head><title>x</title><style>p{}</style></head><body><h1>Plan</h1><p>Takes\n aspirin &amp; "
    "<b>metformin</b>.<br>Has pneumonia.</p><script>1</script><pre>a  b\n c</pre></body></html>"
)
HTML_TEXT = "Plan\nTakes aspirin & metformin.\nHas pneumonia.\na b\nc"
RTF = r"{\rtf1\ansi Takes aspirin.\par Has pneumonia.\'e9}"

Read = Callable[..., list[Note]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(content: str | bytes, name: str, **options: str) -> list[Note]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [Note(e.id, e.read()) for e in list_notes([str(path)], ReadOptions(**options))]  # type: ignore[arg-type]

    return run


@pytest.mark.parametrize("name", ["n.jsonl", "n.ndjson", "n.NDJSON", "n.txt", "n"])
def test_json_lines_are_seen_by_name_or_content(name: str, read: Read) -> None:
    """A text whose first line is a JSON object is not a note."""
    assert read(LINES, name) == TWO


@pytest.mark.parametrize("name", ["n.json", "n.txt", "n"])
def test_a_json_array_is_its_objects(name: str, read: Read) -> None:
    """By name or content; numbers name what has no id."""
    assert read(ARRAY, name) == TWO
    assert read('[{"text": "x"}]', name)[0].text == "x"
    assert [note.text for note in read('{\n "text": "x"\n}', name)] == ["x"]


@pytest.mark.parametrize(
    "line", ["[x] fever", "[1] Smith J. A note.", "{see chart}", "<5 mg given", "[ ] no\n[x] yes"]
)
def test_a_note_that_only_begins_like_structure_is_a_note(line: str, read: Read) -> None:
    """Forms tick boxes with brackets."""
    assert [note.text for note in read(line, "n.txt")] == [line]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("id,text\na,Takes aspirin.\nb,Has pneumonia.\n", "n.csv"),
        ("text;id\r\nTakes aspirin.;a\r\nHas pneumonia.;b\r\n", "n.csv"),
        ("\ufeffid\tmore\ttext\na\tx\tTakes aspirin.\nb\ty\tHas pneumonia.\n", "n.tsv"),
    ],
    ids=["comma", "semicolon", "tab"],
)
def test_tables_are_read_by_their_columns(content: str, name: str, read: Read) -> None:
    """The separator is the one that gives the column."""
    assert read(content, name) == TWO


def test_a_cell_may_hold_lines_quotation_marks_and_long_notes(read: Read) -> None:
    """As every writer of CSV quotes them, and beyond Python's own limit of 131,072 characters."""
    long = "word " * 40_000
    note = f'Says ""no"".\nHas, pneumonia. {long}'
    (found,) = read(f'note,key\n"{note}",7\n', "n.csv", text_field="note", id_field="key")
    assert found == Note("7", note.replace('""', '"'))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "names no column 'text'"),
        ("text,id\nonly\n", "row 1: 1 fields, expected 2"),
        ('text,id\n"open,1\n', "a quotation mark is missing"),
        ("text,id\n", "no row to read"),
        (b"text,id\n\xff,1\n", "not UTF-8"),
    ],
    ids=["column", "fields", "quotation", "empty", "utf8"],
)
def test_a_broken_table_is_refused_in_words(content: str | bytes, said: str, read: Read) -> None:
    """Where and what; nothing of the cells."""
    with pytest.raises(InputError, match=said) as raised:
        read(content, "n.csv")
    assert "open" not in str(raised.value)


@pytest.mark.parametrize("name", ["n.hl7", "n.txt"])
def test_hl7_text_is_read_without_its_segments(name: str, read: Read) -> None:
    """Escapes and repetitions are replaced, numbers are not text."""
    (note,) = read(HL7, name)
    assert note.text == HL7_TEXT


def test_each_hl7_message_of_a_file_is_a_note(read: Read) -> None:
    """Numbered in their order."""
    assert [(note.id, note.text) for note in read(HL7 + HL7, "n.hl7")] == [("1", HL7_TEXT), ("2", HL7_TEXT)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PID|1\r", "no MSH segment"),
        (HL7.partition("OBX")[0], "no OBX segment with text"),
        (HL7.replace("|TX|", "|ED|"), "another format"),
        ("MSH|^~", "cut off"),
    ],
)
def test_hl7_without_text_is_refused(text: str, said: str) -> None:
    """A document in another format inside it is not passed over."""
    with pytest.raises(InputError, match=said):
        list(hl7.messages(text, "n.hl7"))


@pytest.mark.parametrize("name", ["n.xml", "n.cda", "n.txt"])
def test_a_cda_document_is_its_narrative(name: str, read: Read) -> None:
    """Titles and texts of its sections; coded entries would say everything twice."""
    (note,) = read(CDA, name)
    assert note.text == CDA_TEXT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<note>Takes aspirin.</note>", "not a C-CDA document"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><ClinicalDocument/>', "may define entities without end"),
        ("<ClinicalDocument><title>aspirin</ClinicalDocument>", "not well-formed XML at line 1"),
        (
            f"<ClinicalDocument><text>{'<p>' * 5000}aspirin{'</p>' * 5000}</text></ClinicalDocument>",
            "nested deeper than any document needs",
        ),
        (
            "<ClinicalDocument><component><nonXMLBody><text>aGk=</text></nonXMLBody></component></ClinicalDocument>",
            "another format",
        ),
    ],
)
def test_other_xml_is_refused(text: str, said: str) -> None:
    """With the way to go on."""
    with pytest.raises(InputError, match=said):
        markup.cda_text(text, "n.xml")


def test_marked_sections_are_comments_as_in_a_browser() -> None:
    """Word writes them; the parser of the standard library raises an error that quotes them."""
    page = "<html><p>Takes <![if gte mso 9]>aspirin<![endif]>.</p><p>No <![foo[ x ]]>fever.</p></html>"
    assert markup.html_text(page, "n.html") == "Takes aspirin.\nNo fever."


def test_a_table_of_empty_cells_is_read_in_one_walk() -> None:
    """Its time grows with the cells, and not with their square: a hundred thousand would take minutes."""
    page = f"<table><tr>{'<td></td>' * 100_000}<td>fever</td></tr></table>"
    assert markup.html_text(page, "n.html") == "fever"


@pytest.mark.parametrize("name", ["n.html", "n.htm", "n.txt"])
def test_html_is_read_as_a_browser_shows_it(name: str, read: Read) -> None:
    """Without markup, scripts and styles; blocks are lines."""
    (note,) = read(HTML, name)
    assert note.text == HTML_TEXT


@pytest.mark.parametrize("name", ["n.rtf", "n.txt"])
def test_rtf_is_read_or_names_its_extra(name: str, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never as a note full of commands."""
    monkeypatch.setitem(sys.modules, "striprtf.striprtf", None)
    with pytest.raises(ImportError, match=r"pip install 'clinspan\[rtf\]"):
        read(RTF, name)
    monkeypatch.undo()
    pytest.importorskip("striprtf")
    (note,) = read(RTF, name)
    assert note.text == "Takes aspirin.\nHas pneumonia.é"


def test_parquet_is_read_or_names_its_extra(tmp_path: Path) -> None:
    """Row by row, by the names of its columns."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "n.parquet"
    parquet.write_table(
        arrow.table({"id": ["a", "b"], "text": [note.text for note in TWO], "x": [1, 2]}), path
    )
    assert [Note(e.id, e.read()) for e in list_notes([str(path)], ReadOptions())] == TWO
    (failing,) = list_notes([str(path)], ReadOptions(text_field="note"))
    with pytest.raises(InputError, match="no column 'note'"):
        failing.read()
    path.write_bytes(b"not parquet at all")
    (failing,) = list_notes([str(path)], ReadOptions())
    with pytest.raises(InputError, match="not a Parquet file that can be read"):
        failing.read()


@pytest.mark.parametrize("content", [LINES, f"\n \n{LINES}", ARRAY])
def test_standard_input_is_recognised_by_its_content(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON lines come in as they are written."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert [Note(e.id, e.read()) for e in list_notes(["-"], ReadOptions())] == TWO


def test_a_plain_note_on_standard_input_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named for where it came from."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Takes aspirin.\nWell.")))
    assert [Note(e.id, e.read()) for e in list_notes(["-"], ReadOptions())] == [
        Note("-", "Takes aspirin.\nWell.")
    ]


def test_input_says_what_a_file_holds(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its name: markup as a note if somebody wants that, a table on standard input."""
    assert [note.text for note in read(LINES, "n.jsonl", kind="text")] == [LINES]
    assert read("id,text\na,Takes aspirin.\nb,Has pneumonia.\n", "n.dat", kind="csv") == TWO
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO(b"id\ttext\na\tTakes aspirin.\nb\tHas pneumonia.\n"))
    )
    assert [Note(e.id, e.read()) for e in list_notes(["-"], ReadOptions(kind="tsv"))] == TWO


def test_a_folder_is_searched_for_the_kind_that_is_asked_for(tmp_path: Path) -> None:
    """Others are counted as left out."""
    (tmp_path / "a.xml").write_text(CDA)
    (tmp_path / "b.txt").write_text("x")
    options = ReadOptions(kind="xml")
    assert [entry.read() for entry in list_notes([str(tmp_path)], options)] == [CDA_TEXT]
    assert options.left_out == {".txt": 1}


def test_offsets_refer_to_the_text_that_was_read(tmp_path: Path) -> None:
    """And --with-text writes that text beside them."""
    (tmp_path / "n.xml").write_text(CDA)
    out = tmp_path / "out.jsonl"
    assert main(["extract", str(tmp_path / "n.xml"), "-f", "jsonl", "--with-text", "-o", str(out)]) == 0
    row = json.loads(out.read_text())
    assert row["text"] == CDA_TEXT
    assert [row["text"][s["start"] : s["end"]] for s in row["spans"]] == [s["text"] for s in row["spans"]]
    assert "aspirin" in [s["text"] for s in row["spans"]]
