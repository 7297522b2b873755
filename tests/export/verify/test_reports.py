"""The effect of quantization on the caller's own notes is reported in full, and limits on it are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.extract.test_pace import clock
from tests.serving.browser import CHROMIUM, tab
from tests.support import tiny_checkpoints

from clinspan import Recognizer, Span
from clinspan.documents.find import find
from clinspan.documents.scores import evaluate
from clinspan.errors import ClinspanError
from clinspan_export.cli.main import main
from clinspan_export.errors import ExportError
from clinspan_export.verify.plots import COLOURS, bounds
from clinspan_export.verify.report import score_row
from clinspan_export.verify.samples import read_samples, unannotated
from clinspan_export.verify.span_diff import changes, count

pytestmark = pytest.mark.export

SECRET = "Zaphodine"
NOTES = [
    f"Patient presents with chest pain; {SECRET} 81 mg was given by mouth.",
    "Started metformin 500 mg twice daily and lisinopril 10 mg once a day. " * 12,
    "CT of the abdomen shows acute appendicitis without perforation. Denies fever, chills or nausea. " * 12,
    "Follow-up in 6 weeks; repeat chest X-ray to document clearing. " * 12,
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoints.save(tmp_path_factory.mktemp("reports") / "checkpoint")


@pytest.fixture(scope="module")
def gold(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notes whose gold is what the fp32 model finds, so that PyTorch scores 1 and int8 less."""
    folder = tmp_path_factory.mktemp("gold")
    assert main([str(source), str(folder / "fp32"), "--precision=fp32"]) == 0
    found = Recognizer.load(folder / "fp32").pipe(NOTES)
    return _write(folder / "dev.jsonl", NOTES, list(found))


def _write(path: Path, notes: Sequence[str], found: Sequence[Sequence[Span]]) -> Path:
    rows = [
        {
            "id": f"note-{number}",
            "text": text,
            "entities": [{"label": s.label, "start": s.start, "end": s.end, "text": s.text} for s in spans],
        }
        for number, (text, spans) in enumerate(zip(notes, found, strict=True))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def judged(source: Path, gold: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("judged") / "out"
    assert main([str(source), str(out), f"--notes={gold}"]) == 0
    return out


def _manifest(bundle: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((bundle / "clinspan.json").read_text(encoding="utf-8"))
    return manifest


def test_report_counts_add_up(judged: Path) -> None:
    """Every span of PyTorch is the same, lost, moved or relabelled; every span of ONNX likewise or gained."""
    for precision in ("fp32", "int8"):
        report = _manifest(judged)["parity"][precision]
        for row in (report, *report["labels"].values()):
            kept = row["spans_same"] + row["moved"] + row["relabelled"]
            assert row["spans_torch"] == kept + row["lost"]
        kept = report["spans_same"] + report["moved"] + report["relabelled"]
        assert report["spans_onnx"] == kept + report["gained"]
        total = report["spans_torch"] + report["spans_onnx"]
        assert report["span_agreement_f1"] == round(2 * report["spans_same"] / total, 4)


def test_report_is_of_these_notes_and_finds_a_loss(judged: Path) -> None:
    """int8 changes spans of these notes, fp32 none; worst notes are named by id, the worst first."""
    parity = _manifest(judged)["parity"]
    assert (parity["source"], parity["notes"]) == ("dev.jsonl", len(NOTES))
    assert parity["fp32"]["span_agreement_f1"] == 1.0
    assert parity["int8"]["span_agreement_f1"] < 1.0
    worst = parity["int8"]["worst_notes"]
    assert {row["id"] for row in worst} <= {f"note-{n}" for n in range(len(NOTES))}
    changed = [row["lost"] + row["gained"] + row["moved"] + row["relabelled"] for row in worst]
    assert changed == sorted(changed, reverse=True)
    assert changed[-1] > 0


def test_scores_against_gold_are_those_of_the_runtime(judged: Path, gold: Path) -> None:
    """F1 in the manifest is what scoring the bundle's own spans gives; PyTorch has what the gold was made of."""
    evaluation = _manifest(judged)["evaluation"]
    assert evaluation["torch"]["f1"] == 1.0
    samples = read_samples(gold)
    scores = evaluate(samples, find(Recognizer.load(judged, precision="int8"), samples), resamples=0)
    labels = {label: score_row(score) for label, score in scores.by_label["exact"].items()}
    assert evaluation["int8"] == {**score_row(scores.micro["exact"]), "labels": labels}
    assert scores.micro["exact"].f1 < 1.0


def test_page_is_well_formed_and_shows_every_label(judged: Path) -> None:
    """report.html parses, has its plots inline as SVG, and a row for every label."""
    page = (judged / "report.html").read_text(encoding="utf-8")
    _Tags().check(page)
    assert page.count("<svg") >= 3
    for label in _manifest(judged)["parity"]["int8"]["labels"]:
        assert f"<td>{label}</td>" in page
    assert not re.search(r"(?:src|href)=\"https?:", page)


def test_page_uses_one_colour_and_as_many_digits_everywhere(judged: Path) -> None:
    """Each model has its colour in the table and in every plot; scores have four digits; axes say their measure."""
    page = (judged / "report.html").read_text(encoding="utf-8")
    table, *plots = page.split("<svg")
    for name in ("fp32", "int8"):
        assert f".{name} {{ border-bottom: .2rem solid {COLOURS[name]}; }}" in table
        assert all(COLOURS[name] in plot for plot in plots)
    assert "#1f77b4" not in page  # the first of the plotting library's own colours
    scores = re.findall(r"<td>((?:0|1)\.\d+)</td>", page)
    rows = dict(re.findall(r"<tr><td>([^<]+)</td>((?:<td>[^<]*</td>)+)</tr>", page))
    others = re.findall(r"<td>([^<]+)</td>", rows["largest logit difference"] + rows["size, MB"])
    others += re.findall(r"<td>([^<]+)</td>", rows["CPU time of a window, ms"])
    assert {len(score) for score in scores if score not in others} == {len("0.9753")}
    assert "agreement, F1 (the axis begins at " in page
    assert "exact F1 (the axis begins at " in page


@pytest.mark.parametrize(
    ("values", "most"), [((0.97, 1.0), 0.05), ((0.2, 0.9), 0.9), ((1.0,), 0.02), ((0.0,), 0.02)]
)
def test_an_axis_shows_small_differences(values: Sequence[float], most: float) -> None:
    """It holds every value, stays between 0 and 1, and is hardly longer than what it has to show."""
    low, high = bounds(values)
    assert 0 <= low < high <= 1
    assert low <= min(values) <= max(values) <= high
    assert high - low <= most


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize(("width", "media"), [(390, "screen"), (1280, "screen"), (720, "print")])
def test_page_fits_a_phone_a_desk_and_a_sheet(judged: Path, tmp_path: Path, width: int, media: str) -> None:
    """Nothing sticks out of the page; what is too wide for a phone scrolls in its own box, and in print nothing does."""
    with tab(tmp_path, (judged / "report.html").as_uri()) as page:
        page.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        page.ask("Emulation.setEmulatedMedia", media=media)
        assert page.run("document.documentElement.scrollWidth") <= width
        if media == "print":
            assert page.run(
                "[...document.querySelectorAll('.box')].every(box => box.scrollWidth <= box.clientWidth)"
            )


class _Tags(HTMLParser):
    """Every element that opens closes, and every table lies in a box of its own, which scrolls where it is too wide."""

    _void = frozenset({"meta", "br", "hr", "img"})

    def check(self, page: str) -> None:
        self.open: list[str] = []
        self.boxed = False
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            assert self.boxed
        self.boxed = dict(attrs).get("class") == "box"
        if tag not in self._void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_no_note_text_unless_asked_for(source: Path, gold: Path, judged: Path, tmp_path: Path) -> None:
    """Neither manifest nor page quotes a note; --show-text makes the page quote the spans that differ."""
    words = {"metformin", "appendicitis", "perforation", SECRET}
    for file in ("report.html", "clinspan.json"):
        text = (judged / file).read_text(encoding="utf-8")
        assert not [word for word in words if word in text]
    out = tmp_path / "out"
    assert main([str(source), str(out), f"--notes={gold}", "--show-text", "--precision=int8"]) == 0
    assert "--show-text asked for it" in (out / "report.html").read_text(encoding="utf-8")
    assert "“" in (out / "report.html").read_text(encoding="utf-8")
    assert not [word for word in words if word in (out / "clinspan.json").read_text(encoding="utf-8")]


@pytest.mark.parametrize("gate", ["--min-agreement=1", "--max-f1-loss=0"])
def test_broken_limit_fails_and_names_the_labels(
    source: Path, gold: Path, judged: Path, tmp_path: Path, gate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, no bundle, one line with the labels that suffered; the page is written where asked."""
    page = tmp_path / "why.html"
    arguments = [str(source), str(tmp_path / "out"), f"--notes={gold}", f"--report={page}", gate]
    assert main(arguments) == 1
    assert not (tmp_path / "out").exists()
    told = capsys.readouterr()
    last = told.err.splitlines()[-1]
    head = page.read_text(encoding="utf-8").partition("<h2>")[0]
    assert "The export failed." in head
    assert "The export passed." not in head
    assert gate.partition("=")[0] in head
    suffered = [
        label
        for label, row in _manifest(judged)["parity"]["int8"]["labels"].items()
        if row["span_agreement_f1"] < 1
    ]
    assert gate.partition("=")[0] in last
    assert suffered
    assert any(label in last.partition("suffered")[2] for label in suffered)


def test_limit_that_holds_lets_the_bundle_through(
    source: Path,
    gold: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The limits are recorded and the verdict names them; the comparison says how far it is."""
    clock(monkeypatch, step=6)
    gates = ["--min-agreement=1", "--max-f1-loss=0", "--precision=fp32"]
    assert main([str(source), str(tmp_path / "out"), f"--notes={gold}", *gates]) == 0
    assert _manifest(tmp_path / "out")["parity"]["limits"] == {"min_agreement": 1.0, "max_f1_loss": 0.0}
    said = capsys.readouterr()
    assert "min-agreement 1 and max-f1-loss 0" in said.out
    for doing in ("PyTorch", "fp32, logits", "fp32, spans"):
        assert f"{doing}: 1 of 4 notes, 0.2 notes/s, 18 s left" in said.err
        assert f"{doing}: 4 notes in 30 s, " in said.err
    head = (tmp_path / "out" / "report.html").read_text(encoding="utf-8").partition("<h2>")[0]
    assert "The export passed." in head
    assert "min-agreement 1 is kept" in head
    assert "max-f1-loss 0 is kept" in head
    assert "Warning." not in head


def test_model_that_agrees_little_warns_where_no_limit_is_set(
    source: Path,
    gold: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Below the default agreement the export goes on; the page's head warns, and a line that `--quiet` leaves."""
    monkeypatch.setattr("clinspan_export.verify.limits.WARN_BELOW", 1.0)
    arguments = [f"--notes={gold}", "--precision=int8", "--quiet"]
    assert main([str(source), str(tmp_path / "out"), *arguments]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: int8 agrees with PyTorch on")
    head = (tmp_path / "out" / "report.html").read_text(encoding="utf-8").partition("<h2>")[0]
    assert "Warning." in head
    assert "no limit was set" in head


def test_last_lines_say_where_how_large_and_what_next(
    judged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary has the folder, sizes, agreement, F1, verdict and the command to run next."""
    from clinspan.bundle.manifest import open_bundle
    from clinspan_export.cli.export import _summary

    text = _summary(open_bundle(judged))
    assert f"bundle      {judged}" in text
    assert re.search(r"models      fp32 \d+\.\d MB, int8 \d+\.\d MB", text)
    assert re.search(r"F1          torch 1\.0000, fp32 1\.0000, int8 0\.\d+, on 4 annotated notes", text)
    assert "not tuned" in text
    assert text.splitlines()[-1] == f"next        clinspan extract --model {judged} NOTE.txt"


def test_loss_gate_without_gold_is_refused(source: Path, tmp_path: Path) -> None:
    """A limit that nothing can be held to is a mistake, not a pass."""
    assert main([str(source), str(tmp_path / "out"), "--max-f1-loss=0.01"]) == 1
    assert not (tmp_path / "out").exists()


def test_gold_labels_that_the_model_lacks_are_left_out_and_named(source: Path, tmp_path: Path) -> None:
    """A gold label of another guideline costs no recall, and the report says that it was not scored."""
    found = [Span("PROBLEM", 0, 7, "Patient", 1.0), Span("DEVICE", 8, 16, "presents", 1.0)]
    notes = _write(tmp_path / "dev.jsonl", NOTES[:1], [found])
    assert main([str(source), str(tmp_path / "out"), f"--notes={notes}", "--precision=fp32"]) == 0
    evaluation = _manifest(tmp_path / "out")["evaluation"]
    assert evaluation["unscored_labels"] == ["DEVICE"]
    assert evaluation["torch"]["gold"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("{nonsense\n", "line 1: not valid JSON"),
        ('{"text": "a"}\n{"note": "b"}\n', "line 2: text is missing"),
        ('{"text": "a", "entities": {}}\n', "line 1: entities is an object"),
        ('{"text": "a", "entities": [{"label": "X", "start": 0}]}\n', "line 1: end is missing"),
        ('{"text": "a", "entities": [{"label": "X", "start": 0, "end": 5}]}\n', "0 to 5 .X. does not lie"),
        ('{"text": "a", "id": "x"}\n{"text": "b", "id": "x"}\n', "repeat the id"),
    ],
    ids=["empty", "no-json", "no-text", "gold-no-list", "gold-incomplete", "gold-outside", "same-id"],
)
def test_notes_that_cannot_be_read_are_one_line(tmp_path: Path, content: str, message: str) -> None:
    """The message says the fault and its line, without the note's text."""
    path = tmp_path / "notes.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ClinspanError, match=message) as caught:
        read_samples(path)
    assert "nonsense" not in str(caught.value)


def test_folder_of_notes(tmp_path: Path) -> None:
    """A folder gives its .txt files in order of name, without gold; one without any is refused."""
    (tmp_path / "b.txt").write_text("two", encoding="utf-8")
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone")
    assert read_samples(tmp_path) == [unannotated("a", "one"), unannotated("b", "two")]
    (tmp_path / "none").mkdir()
    with pytest.raises(ExportError, match=r"has no \.txt notes"):
        read_samples(tmp_path / "none")


def test_every_kind_of_difference_is_told_apart() -> None:
    """Same place is relabelled, same label and overlap is moved, the rest lost or gained."""
    text = "a" * 100
    expected = [_span("A", 0, 5), _span("A", 10, 15), _span("A", 20, 25), _span("B", 30, 35)]
    found = [_span("A", 0, 5), _span("B", 10, 15), _span("A", 21, 25), _span("A", 32, 36), _span("C", 50, 52)]
    listed = changes("n", expected, found)
    assert [(c.kind, c.label) for c in listed] == [
        ("relabelled", "A"),
        ("moved", "A"),
        ("lost", "B"),
        ("gained", "A"),
        ("gained", "C"),
    ]
    total, labels = count([expected], [found], listed)
    assert (total.expected, total.found, total.same, total.changed) == (4, 5, 1, 5)
    assert (labels["A"].same, labels["B"].lost, labels["C"].gained) == (1, 1, 1)
    assert len(text) == 100


def _span(label: str, start: int, end: int) -> Span:
    return Span(label, start, end, "a" * (end - start), 1.0)
