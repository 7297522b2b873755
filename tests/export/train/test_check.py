"""`clinspan-export check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinspan_export.cli.main import main
from clinspan_export.train.check import check


def line(text: str, *entities: tuple[int, int, str]) -> str:
    rows = [
        {"text_extraction": {"text_segment": {"start_offset": a, "end_offset": b}}, "display_name": label}
        for a, b, label in entities
    ]
    return json.dumps({"annotations": rows, "text_snippet": {"content": text}}) + "\n"


LINES = [line(f"Aspirin 81 mg on day {n}", (0, 7, "DRUG"), (8, 13, "STRENGTH")) for n in range(250)]
GOOD = "".join(LINES)


def write(folder: Path, content: str) -> Path:
    path = folder / "data.jsonl"
    path.write_text(content, "utf-8")
    return path


def test_good_data_is_quiet(tmp_path: Path) -> None:
    """Data within every limit gives neither error nor warning."""
    findings = check(write(tmp_path, GOOD))
    assert (findings.documents, findings.entities, findings.labels) == (250, 500, ("DRUG", "STRENGTH"))
    assert findings.errors == findings.warnings == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("".join(LINES[:20]), "20 documents, AutoML took 50 to 100,000", id="few-documents"),
        pytest.param(
            GOOD + line("Aspirin 81 mg", (0, 7, "RARE")), "label RARE: used 1 times", id="rare-label"
        ),
        pytest.param(GOOD + line("Aspirin 81 mg", (0, 7, "X")), "label X: 1 characters", id="short-label"),
        pytest.param(GOOD + line("Aspirin"), "document 251: 7 bytes of text", id="short-text"),
        pytest.param(GOOD + line("é" * 5001), "document 251: 10,002 bytes of text", id="long-text-in-bytes"),
        pytest.param(GOOD + line("a " * 11, (0, 21, "DRUG")), "0 to 21 has 11 words", id="long-annotation"),
        pytest.param(
            GOOD + "".join(line("Aspirin 81", (0, 7, f"L{n}")) for n in range(99)), "101 labels", id="labels"
        ),
    ],
)
def test_limits_are_warnings(tmp_path: Path, content: str, message: str) -> None:
    """A documented limit that is not kept is a warning with its place, never an error."""
    findings = check(write(tmp_path, content))
    assert findings.errors == ()
    assert any(message in warning for warning in findings.warnings)


def test_every_error_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All that cannot be trained on is listed at once, by line, and the command fails."""
    broken = [line("Aspirin 81", (0, 99, "DRUG")), "{\n", line("Aspirin", (0, 7, "DRUG"), (3, 7, "DRUG"))]
    path = write(tmp_path, GOOD + "".join(broken))
    findings = check(path)
    assert [error.partition(": ")[0] for error in findings.errors] == [
        f"{path}, line {n}" for n in (251, 252, 253)
    ]
    assert main(["check", str(path)]) == 1
    shown = capsys.readouterr().err
    assert "3 errors" in shown
    assert "Aspirin" not in shown


def test_data_without_annotations_cannot_be_trained_on(tmp_path: Path) -> None:
    """Documents none of which is annotated are an error: there is nothing to learn."""
    assert "nothing to learn" in check(write(tmp_path, line("No drug in here.") * 60)).errors[0]
