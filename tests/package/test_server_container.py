"""The container that serves HTTP runs `clinspan serve`, and brings nothing for it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from tests.support.packages import image

from clinspan import Recognizer
from clinspan.package.container import package_container
from clinspan.package.parts.assemble import Inputs
from clinspan.package.targets import Target, target

NOTE = "She has pneumonia and was given ceftriaxone."
OWN = """
from clinspan import Recognizer

recognizer = Recognizer.load("/app/bundle")


def answer(request):
    return {"texts": [span.text for span in recognizer.recognize(request.get_json()["text"])]}
"""


def ask(port: int, path: str) -> dict[str, object]:
    """Post the note."""
    body = json.dumps({"text": NOTE}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, object] = json.load(answer)
    return found


@pytest.mark.slow
def test_the_http_container_answers_with_the_runtimes_own_packages(
    host: Target, wheels: Path, tmp_path: Path, starter: Recognizer
) -> None:
    """As its Dockerfile builds and starts it, read-only: one copy of the model, and of onnxruntime's library."""
    made = package_container(
        tmp_path / "context", target("container", python=host.python), Inputs(wheels=wheels), server="http"
    )
    assert {wheel.name for wheel in made.wheels} == {"clinspan", "numpy", "onnxruntime", "tokenizers"}
    built = image.build(made.path, tmp_path / "root")
    assert built.command[:4] == ["python", "-m", "clinspan", "serve"]
    app = built.root / "app"
    assert [path.relative_to(app).parts[0] for path in app.rglob("model*.onnx_data")] == ["bundle"]
    assert not list(app.glob("onnxruntime/capi/libonnxruntime.so*"))
    with image.started(built, tmp_path) as (port, said):
        spans = ask(port, "/recognize")["spans"]
        assert isinstance(spans, list)
        assert [span["text"] for span in spans] == [span.text for span in starter.recognize(NOTE)]
    assert [line for line in said if not line.startswith(("{", "clinspan: http://"))] == []


@pytest.mark.slow
def test_a_handler_of_ones_own_answers_without_a_word_of_its_server(
    host: Target, tmp_path: Path, starter: Recognizer
) -> None:
    """functions-framework and gunicorn find a place for their files: the user of the image has no home."""
    pytest.importorskip("functions_framework")
    ward = tmp_path / "ward.py"
    ward.write_text(OWN.replace("/app", str(tmp_path / "root" / "app")))
    made = package_container(
        tmp_path / "context",
        target("container", python=host.python),
        Inputs(),
        server="http",
        handler=f"{ward}:answer",
    )
    built = image.build(made.path, tmp_path / "root")
    (tmp_path / "home").mkdir()
    with image.started(built, tmp_path / "home") as (port, said):
        assert ask(port, "/")["texts"] == [span.text for span in starter.recognize(NOTE)]
    assert [line for line in said if "rror" in line or "arning" in line or "Unable" in line] == []
