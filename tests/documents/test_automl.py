"""AutoML entity-extraction JSONL."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from clinspan.documents.document import Document, Entity
from clinspan.documents.formats import automl
from clinspan.errors import InputError

LINE = {
    "annotations": [
        {"text_extraction": {"text_segment": {"start_offset": 0, "end_offset": 7}}, "display_name": "DRUG"},
        {
            "text_extraction": {"text_segment": {"start_offset": 8, "end_offset": 13}},
            "display_name": "STRENGTH",
        },
    ],
    "text_snippet": {"content": "Aspirin 81 mg"},
}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "data.jsonl"
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8"
    )
    return path


def test_documented_line_is_read(tmp_path: Path) -> None:
    """The documented form gives the text and its entities, end exclusive."""
    (document,) = automl.read(write(tmp_path, LINE))
    assert document.text == "Aspirin 81 mg"
    assert document.entities == (Entity(0, 7, "DRUG"), Entity(8, 13, "STRENGTH"))


def test_a_line_that_was_not_annotated_is_refused(tmp_path: Path) -> None:
    """An empty list says that nothing is there; a missing one that nobody looked."""
    snippet = {"text_snippet": {"content": "No findings."}}
    (document,) = automl.read(write(tmp_path, {**snippet, "annotations": []}))
    assert document.entities == ()
    with pytest.raises(InputError, match="line 1: it has no annotations field"):
        list(automl.read(write(tmp_path, snippet)))


def test_camel_case_is_read(tmp_path: Path) -> None:
    """JSON written by protocol buffers is read: camelCase, numbers as strings, a start of 0 left out."""
    segment = {"textExtraction": {"textSegment": {"endOffset": "7"}}, "displayName": "DRUG"}
    (document,) = automl.read(
        write(tmp_path, {"annotations": [segment], "textSnippet": {"content": "Aspirin"}})
    )
    assert document.entities == (Entity(0, 7, "DRUG"),)


def test_offsets_count_characters(tmp_path: Path) -> None:
    """Offsets are Unicode code points, not bytes and not UTF-16 units."""
    text = "\U0001f9ea µg aspirin"
    segment = {
        "text_extraction": {"text_segment": {"start_offset": 5, "end_offset": 12}},
        "display_name": "DRUG",
    }
    (document,) = automl.read(write(tmp_path, {"annotations": [segment], "text_snippet": {"content": text}}))
    assert document.text[document.entities[0].start : document.entities[0].end] == "aspirin"


def test_round_trip(tmp_path: Path) -> None:
    """Written documents read back the same, line ends and quotes included."""
    documents = [Document("1", 'a "b"\n\u2028c', (Entity(2, 5, "X"),)), Document("2", "plain", ())]
    stream = io.StringIO()
    automl.write(documents, stream)
    path = write(tmp_path, *stream.getvalue().rstrip("\n").split("\n"))
    assert list(automl.read(path)) == documents


def test_written_line_has_the_documented_form() -> None:
    """The fields are written under their documented names."""
    stream = io.StringIO()
    automl.write([Document("1", "Aspirin 81 mg", (Entity(0, 7, "DRUG"), Entity(8, 13, "STRENGTH")))], stream)
    assert json.loads(stream.getvalue()) == LINE


def broken(**changes: int) -> dict[str, object]:
    segment = {"start_offset": 0, "end_offset": 7, **changes}
    annotation = {"text_extraction": {"text_segment": segment}, "display_name": "DRUG"}
    return {"annotations": [annotation], "text_snippet": {"content": "Secretword 81 mg"}}


OVERLAP = {
    "annotations": [LINE["annotations"][0], broken(start_offset=3)["annotations"][0]],  # type: ignore[index]
    "text_snippet": {"content": "Secretword"},
}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param(broken(end_offset=99), "does not lie in a text of 16", id="outside"),
        pytest.param(broken(end_offset=0), "does not lie", id="empty"),
        pytest.param(OVERLAP, "3 to 7 .DRUG. overlaps 0 to 7", id="overlap"),
        pytest.param('{"text_snippet": {"content": "Secretword"', "not valid JSON", id="broken-json"),
        pytest.param({"text_snippet": {}}, "text_snippet.content is missing", id="no-text"),
        pytest.param(
            {"annotations": [{}], "text_snippet": {"content": "Secretword"}}, "display_name", id="no-label"
        ),
    ],
)
def test_error_names_the_line_and_no_text(tmp_path: Path, row: object, message: str) -> None:
    """An error gives file and line number and quotes nothing of the document."""
    path = write(tmp_path, LINE, row)
    with pytest.raises(InputError, match=message) as error:
        list(automl.read(path))
    assert f"{path}, line 2:" in str(error.value)
    assert "Secretword" not in str(error.value)


def pdf_line(uri: str) -> dict[str, object]:
    return {"annotations": [], "document": {"input_config": {"gcs_source": {"input_uris": [uri]}}}}


def test_local_pdf_is_read(tmp_path: Path) -> None:
    """A line that points to a PDF beside it gives the PDF's text."""
    canvas = pytest.importorskip("reportlab.pdfgen.canvas").Canvas(str(tmp_path / "note.pdf"))
    canvas.drawString(72, 720, "She takes aspirin 81 mg daily.")
    canvas.save()
    (document,) = automl.read(write(tmp_path, pdf_line("note.pdf")))
    assert document.text.strip() == "She takes aspirin 81 mg daily."


@pytest.mark.parametrize(
    "uri",
    ["../note.pdf", "/dev/zero", "/etc/passwd", "link.pdf", "sub/../../x", "a\0b", "a\ud800b", "../a\ud800"],
)
def test_a_pdf_outside_the_folder_is_refused(tmp_path: Path, uri: str) -> None:
    """A data file does not say which other files of the machine are read, or whether they are there."""
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "note.pdf").write_bytes(b"%PDF-1.7")
    (folder / "link.pdf").symlink_to(tmp_path / "note.pdf")
    with pytest.raises(InputError, match=r"line 1: the PDF does not lie in the folder"):
        list(automl.read(write(folder, pdf_line(uri))))


def test_a_pdf_without_an_end_is_refused(tmp_path: Path) -> None:
    """A pipe would be waited for, and a file larger than memory would fill it."""
    pytest.importorskip("pypdf")
    os.mkfifo(tmp_path / "pipe.pdf")
    with (tmp_path / "huge.pdf").open("wb") as stream:
        stream.truncate(2**40)
    for name, reason in (
        ("pipe", "not a regular file"),
        ("huge", "larger than the limit"),
        ("none", "No such"),
    ):
        with pytest.raises(InputError, match=reason):
            list(automl.read(write(tmp_path, pdf_line(f"{name}.pdf"))))


@pytest.mark.parametrize("uri", ["gs://bucket/note.pdf", "https://example.org/note.pdf"])
def test_remote_pdf_is_refused(tmp_path: Path, uri: str) -> None:
    """A remote address is refused with the reason, before anything is opened."""
    with pytest.raises(InputError, match=r"line 1: .* remote address, and clinspan opens no connection"):
        list(automl.read(write(tmp_path, pdf_line(uri))))


def test_reading_is_lazy(tmp_path: Path) -> None:
    """The first document is there before a broken later line is met."""
    documents = automl.read(write(tmp_path, LINE, "{"))
    assert next(documents).text == "Aspirin 81 mg"
    with pytest.raises(InputError):
        next(documents)
