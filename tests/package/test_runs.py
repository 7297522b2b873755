"""Packages in the hands of the services' own clients, and of pip without an index."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.packages import image, runtime_api, services, small_wheels

from clinspan import Recognizer
from clinspan.package.container import package_container
from clinspan.package.entry_point import entry_point
from clinspan.package.functions import Package, package_lambda
from clinspan.package.parts.assemble import Inputs
from clinspan.package.parts.self_test import elf_machine
from clinspan.package.targets import Target, target
from clinspan.package.wheelhouse import package_wheelhouse

NOTE = "She has pneumonia and was given ceftriaxone."

pytest.importorskip("awslambdaric")
pytest.importorskip("functions_framework")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return services.client_only(tmp_path_factory.mktemp("ric") / "client", services.LAMBDA_CLIENT)


@pytest.fixture(scope="module")
def running(package: Package, unpacked: Path, client: Path) -> Iterator[runtime_api.RuntimeApi]:
    """The zip's function under awslambdaric, read-only, with 1,769 MB and one CPU."""
    with (
        runtime_api.serve() as api,
        services.lambda_runtime(api.address, unpacked, client, handler=package.entry),
    ):
        yield api


def test_lambda_answers(running: runtime_api.RuntimeApi) -> None:
    """The real client runs the zip alone and posts the spans that clinspan finds here."""
    outcome = running.invoke({"text": NOTE})
    assert outcome.kind == "response"
    answer = outcome.json()
    found = Recognizer.load().recognize(NOTE)
    assert [(s["label"], s["start"], s["end"]) for s in answer["spans"]] == [
        (s.label, s.start, s.end) for s in found
    ]
    assert running.unexpected == []


def test_lambda_answers_http_and_queue_events(running: runtime_api.RuntimeApi) -> None:
    """Events of the other kinds go through the same client."""
    event = {"version": "2.0", "requestContext": {"http": {"method": "POST"}}, "body": "{"}
    assert running.invoke(event).json()["statusCode"] == 400
    batch = {"Records": [{"messageId": "m", "body": json.dumps({"text": NOTE})}]}
    assert (
        running.invoke(batch).json()["errorType"] == "UnattendedEventError"
    )  # it has no sink: nothing is lost


def test_lambda_deadline_header_is_kept(running: runtime_api.RuntimeApi) -> None:
    """The deadline that the Runtime API sends stops a long note before it, and the function lives on."""
    outcome = running.invoke({"text": NOTE * 8000}, seconds=1.5)
    assert outcome.json()["statusCode"] == 504
    assert running.invoke({"text": NOTE}).json()["statusCode"] == 200


def test_lambda_text_survives_the_client(running: runtime_api.RuntimeApi) -> None:
    """Characters outside ASCII come back as they went, at the offsets of the note itself."""
    note = "Fièvre 🫁: pneumonia and nausée."
    for span in running.invoke({"text": note}).json()["spans"]:
        assert note[span["start"] : span["end"]] == span["text"]


def test_lambda_writes_nothing(running: runtime_api.RuntimeApi, unpacked: Path) -> None:
    """The folder is read-only to it, and it does not try."""
    before = small_wheels.content(unpacked)
    assert running.invoke({"text": NOTE}).json()["statusCode"] == 200
    assert small_wheels.content(unpacked) == before


def test_lambda_init_error(unpacked: Path, client: Path, tmp_path: Path) -> None:
    """A damaged model stops the function in its init phase, and the service is told."""
    task = tmp_path / "task"
    shutil.copytree(unpacked, task, copy_function=os.link)
    model = task / "bundle" / "onnx" / "model_int8.onnx"
    model.unlink()
    model.write_bytes(b"damaged")
    with (
        runtime_api.serve() as api,
        services.lambda_runtime(api.address, task, client, handler="lambda_function.lambda_handler"),
    ):
        outcome = api.init.get(timeout=60)
    assert outcome.json()["errorType"] == "BundleError"


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.slow)])
def test_framework_loses_and_mixes_up_nothing(unpacked: Path, tmp_path: Path, count: int) -> None:
    """Many requests from eight clients at once: each gets its own answer."""
    task = tmp_path / "source"
    shutil.copytree(unpacked, task, copy_function=os.link)
    (task / "main.py").write_text(entry_point("main.clinspan_http", "http").source)
    recognizer = Recognizer.load()
    notes = [f"{'Seen on ward. ' * k}She has pneumonia and no fever, bed {k}." for k in range(40)]
    expected = [[(s.label, s.start, s.end, s.text) for s in spans] for spans in recognizer.pipe(notes)]
    answered: list[tuple[int, bool]] = []
    problems: list[str] = []

    def work(worker: int, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for number in range(worker, count, 8):
            k = number * 7 % len(notes)
            body = json.dumps({"notes": [{"id": number, "text": notes[k]}]})
            try:
                connection.request("POST", "/", body)
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                problems.append(f"request {number}: {error!r}")
                connection.close()
                continue
            (row,) = answer["notes"]
            spans = [(s["label"], s["start"], s["end"], s["text"]) for s in row["spans"]]
            answered.append((number, row["id"] == str(number) and spans == expected[k]))
        connection.close()

    with services.framework(task / "main.py", target="clinspan_http") as port:
        workers = [threading.Thread(target=work, args=(worker, port)) for worker in range(8)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
    assert problems == []
    assert sorted(number for number, _ in answered) == list(range(count))
    assert all(right for _, right in answered)


@pytest.fixture(scope="module")
def house(host: Target, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheelhouse for this Python."""
    out = tmp_path_factory.mktemp("house") / "house"
    return package_wheelhouse(out, target("wheelhouse", python=host.python), Inputs(wheels=wheels)).path


def test_wheelhouse_installs_without_a_network(house: Path, tmp_path: Path) -> None:
    """install.sh makes an environment from the folder alone, and extraction works there, with no network."""
    offline = _offline()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_INDEX_URL": "http://127.0.0.1:9/"}
    place = tmp_path / "installed"
    subprocess.run(
        [*offline, "sh", str(house / "install.sh"), str(place), sys.executable],
        check=True, env=environment, capture_output=True,
    )  # fmt: skip
    (tmp_path / "note.txt").write_text(NOTE)
    command = [place / "bin" / "clinspan", "extract", "--format", "jsonl", tmp_path / "note.txt"]
    model = place / "share" / "clinspan" / "bundle"
    done = subprocess.run(
        [*offline, *map(str, command), "--model", str(model)],
        check=True, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    found = [(s["label"], s["text"]) for s in json.loads(done.stdout)["spans"]]
    assert found == [(s.label, s.text) for s in Recognizer.load().recognize(NOTE)]


def test_wheelhouse_refuses_a_changed_file(house: Path, tmp_path: Path) -> None:
    """A file that is not the one in SHA256SUMS stops the installation before it begins."""
    changed = tmp_path / "changed"
    shutil.copytree(house, changed)
    with (changed / "requirements.lock").open("a") as stream:
        stream.write("# changed\n")
    command = ["sh", str(changed / "install.sh"), str(tmp_path / "installed"), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "requirements.lock: FAILED" in done.stdout + done.stderr
    assert not (tmp_path / "installed").exists()


@pytest.mark.slow
def test_container_steps_give_a_function_that_answers(host: Target, tmp_path: Path) -> None:
    """The Dockerfile's own steps, run without a network, gives a folder that answers as its CMD says."""
    made = package_container(tmp_path / "context", target("container", python=host.python), Inputs())
    assert "USER 65532:65532" in (made.path / "Dockerfile").read_text()
    built = image.build(made.path, tmp_path / "root", _offline())
    *start, entry = built.command
    assert start == ["python", "-m", "awslambdaric"]
    app = built.root / "app"
    assert [path.relative_to(app).parts[0] for path in app.rglob("model*.onnx_data")] == ["bundle"]
    with (
        runtime_api.serve() as api,
        services.lambda_runtime(api.address, app, handler=entry),
    ):
        assert api.invoke({"text": NOTE}).json()["statusCode"] == 200


@pytest.mark.slow
def test_arm64_package_holds_only_arm64_binaries(tmp_path: Path) -> None:
    """Real wheels for the other machine: every binary in the zip says so in its ELF header."""
    out = tmp_path / "arm.zip"
    made = package_lambda(out, target("lambda", arch="arm64", python="3.12"), Inputs())
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "arm")
    machines = [elf_machine(path) for path in (tmp_path / "arm").rglob("*") if path.is_file()]
    binaries = [machine for machine in machines if machine is not None]
    assert set(binaries) == {"arm64"}
    assert len(binaries) == made.binaries >= 6


def _offline() -> list[str]:
    """Run without a network where this machine lets us: in a namespace of its own."""
    command = ["unshare", "--net", "--map-root-user"]
    try:
        done = subprocess.run([*command, "true"], capture_output=True, check=False)
    except OSError:
        return []
    return command if done.returncode == 0 else []
