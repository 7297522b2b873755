"""The programs of `examples/` run as they stand and say what they are there to say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import tiny_checkpoints
from tests.support.example_notes import EXAMPLES, ROOT
from tests.support.tiny import text_bundles

FOLDER = ROOT / "examples"


def said(program: str, *arguments: str | Path, env: dict[str, str] | None = None) -> list[str]:
    """Run a program of the folder, or code that imports one, and return its lines."""
    command = ["-c", program] if "\n" in program else [program]
    done = subprocess.run(
        [sys.executable, *command, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=FOLDER,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_folder_is_streamed() -> None:
    """A line for each note, in order, with how many entities it has."""
    lines = [line.split() for line in said("stream_folder.py", FOLDER)]
    assert [name for name, _ in lines] == [path.name for path in EXAMPLES]
    assert all(int(count) > 5 for _, count in lines)


def test_thresholds_take_away_from_the_labels_they_name_alone() -> None:
    """Every label without a threshold keeps all it had."""
    lines = [line.split() for line in said("thresholds.py", EXAMPLES[2])]
    assert len(lines) == 10
    for label, found, _, kept, _ in lines:
        assert int(kept) <= int(found)
        assert label in {"PROBLEM", "TREATMENT"} or kept == found


def test_a_data_frame_of_findings() -> None:
    """A row for each label, with how many findings are denied."""
    pytest.importorskip("pandas")
    lines = said("data_frame.py", FOLDER / "notes.jsonl")
    assert any(line.startswith("DRUG") for line in lines)


def test_the_service_answers_and_repeats_no_note_that_it_refuses() -> None:
    """FastAPI's own answer to a wrong request would quote it."""
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    lines = said(
        "from fastapi.testclient import TestClient\nfrom fastapi_service import app\n"
        "with TestClient(app) as client:\n"
        "    print([s['text'] for s in client.post('/spans', json={'text': 'She has pneumonia.'}).json()])\n"
        "    print(client.post('/spans', json={'note': 'She has pneumonia.'}).text)\n"
    )
    assert lines[0] == "['pneumonia']"
    assert "pneumonia" not in lines[1]


def test_a_celery_worker_answers_by_number(tmp_path: Path) -> None:
    """A real worker process, with a folder as its broker: the queue never holds a note."""
    pytest.importorskip("celery")
    lines = said(
        "from celery.contrib.testing.worker import start_worker\nfrom celery_worker import app, count_spans\n"
        "with start_worker(app, perform_ping_check=False, pool='solo'):\n"
        "    print(count_spans.delay(0).get(timeout=120))\n",
        env={"CELERY_BROKER": "memory://", "CELERY_BACKEND": "cache+memory://"},
    )
    assert int(lines[-1]) > 5


def test_spacy_says_what_is_denied() -> None:
    """Entities and their assertion, in spaCy's document."""
    pytest.importorskip("spacy")
    assert said("spacy_bridge.py")[0] == "PROBLEM fever denied"


def test_a_classifier_reads_whole_notes(tmp_path: Path) -> None:
    """A line for each note."""
    lines = said("classify_long_notes.py", text_bundles.classifier(tmp_path / "bundle"), *EXAMPLES[:2])
    assert [line.split("\t")[0] for line in lines] == [path.name for path in EXAMPLES[:2]]


def test_the_nearest_note_to_a_note_is_itself(tmp_path: Path) -> None:
    """With a cosine of one."""
    note = "She has pneumonia."
    (tmp_path / "same.txt").write_text(note)
    bundle = text_bundles.embedder(tmp_path / "bundle")
    assert (
        said("semantic_search.py", bundle, note, *EXAMPLES[:3], tmp_path / "same.txt")[0] == "1.000 same.txt"
    )


def test_the_function_says_what_is_denied_and_which_dose_is_whose() -> None:
    """Without being asked to, which the plain handler waits for."""
    *_, line = said(
        "import json\nfrom lambda_handler import handler\n"
        "print(json.dumps(handler({'text': 'No fever. Takes aspirin 81 mg daily.'}, None)))\n"
    )
    answer = json.loads(line)
    assert answer["spans"][0]["assertion"]["negated"]["text"] == "No"
    assert answer["regimens"]


@pytest.mark.export
@pytest.mark.slow
def test_automl_files_become_a_bundle_that_answers(tmp_path: Path) -> None:
    """Training for one epoch from a tiny base, export and checks included."""
    line = {
        "annotations": [
            {
                "text_extraction": {"text_segment": {"start_offset": 6, "end_offset": 13}},
                "display_name": "DRUG",
            }
        ],
        "text_snippet": {"content": "Takes aspirin daily."},
    }
    for name in ("train", "dev"):
        (tmp_path / f"{name}.jsonl").write_text((json.dumps(line) + "\n") * 16)
    base = tiny_checkpoints.save(tmp_path / "base")
    options = ["--base", str(base), "--epochs", "1", "--window", "32"]
    paths = [tmp_path / "train.jsonl", tmp_path / "dev.jsonl", tmp_path / "bundle"]
    assert said("automl_to_bundle.py", *paths, *options)[-1] == "('DRUG',)"


@pytest.mark.slow
def test_the_notebook_runs_and_shows_the_note(tmp_path: Path) -> None:
    """nbconvert executes it; the last cell shows highlights. It is stored without outputs."""
    pytest.importorskip("nbconvert")
    pytest.importorskip("ipykernel")
    stored = json.loads((FOLDER / "notebook.ipynb").read_text(encoding="utf-8"))
    assert not any(cell.get("outputs") for cell in stored["cells"])
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir"]
    done = subprocess.run(
        [*command, str(tmp_path), str(FOLDER / "notebook.ipynb")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "notebook.ipynb").read_text(encoding="utf-8"))
    assert 'data-label="DRUG' in "".join(made["cells"][-1]["outputs"][0]["data"]["text/html"])
