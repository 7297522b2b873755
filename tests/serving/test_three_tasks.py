"""Requests to models of every task: one service, one set of limits, and each task's own answers in every shape."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serving.test_server import ask
from tests.support.example_notes import NOTE
from tests.support.tiny import text_bundles

from clinspan import Classifier, Embedder
from clinspan.serving import RequestLimits, Service, make_handler, make_http
from clinspan.serving.server.http import Server
from clinspan.serving.server.openapi import document
from clinspan.serving.server.routes import Routes
from clinspan.text.merge import Scoring

TEXTS = [NOTE, "Fever."]
SECRET = "Zebrafinch"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return Classifier.load(text_bundles.classifier(tmp_path_factory.mktemp("c") / "b"), threads=2)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder.load(text_bundles.embedder(tmp_path_factory.mktemp("e") / "b"), threads=2)


@contextmanager
def serving(model: Classifier | Embedder) -> Iterator[Server]:
    server = Server(Routes(Service(model, RequestLimits(max_characters=50_000))), "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.stop(seconds=5)


@pytest.fixture(scope="module")
def labels(classifier: Classifier) -> Iterator[Server]:
    with serving(classifier) as server:
        yield server


@pytest.fixture(scope="module")
def vectors(embedder: Embedder) -> Iterator[Server]:
    with serving(embedder) as server:
        yield server


def rounded(classifier: Classifier, text: str | tuple[str, str]) -> list[dict[str, Any]]:
    return [{**one.to_dict(), "score": round(one.score, 6)} for one in classifier.classify(text)]


def test_classify_answers_as_the_classifier_does(labels: Server, classifier: Classifier) -> None:
    """One text, many, and pairs, with the options of a classifier."""
    status, body, _ = ask(labels, "POST", "/classify", {"text": NOTE})
    assert (status, body["labels"]) == (200, rounded(classifier, NOTE))
    rows = [{"id": "a", "text": "Fever."}, {"text": "Fever?", "text_pair": NOTE}]
    _, body, _ = ask(labels, "POST", "/classify", {"notes": rows})
    assert [note["id"] for note in body["notes"]] == ["a", "1"]
    assert body["notes"][1]["labels"] == rounded(classifier, ("Fever?", NOTE))
    best = classifier.classify(NOTE, truncate=True)[0]
    asked = {"text": NOTE, "truncate": True, "threshold": best.score - 1e-3}
    assert ask(labels, "POST", "/classify", asked)[1]["labels"][0]["label"] == best.label
    assert len(ask(labels, "POST", "/classify", asked)[1]["labels"]) == 1


def test_embed_answers_as_the_embedder_does(vectors: Server, embedder: Embedder) -> None:
    """Vectors come back to the bit."""
    rows = {"notes": [{"text": text} for text in TEXTS], "normalize": True}
    status, body, _ = ask(vectors, "POST", "/embed", rows)
    assert status == 200
    found = np.array([note["vector"] for note in body["notes"]], np.float32)
    assert np.array_equal(found, embedder.embed(TEXTS, normalize=True))
    _, one, _ = ask(vectors, "POST", "/embed", {"text": NOTE, "truncate": True})
    assert np.array_equal(np.float32(one["vector"]), embedder.embed([NOTE], truncate=True)[0])


def test_hugging_faces_own_client_reads_the_answers(
    labels: Server, vectors: Server, classifier: Classifier, embedder: Embedder
) -> None:
    """Its inference client, for both tasks, with a text; lists of texts have a list for each."""
    hub = pytest.importorskip("huggingface_hub")

    def client(server: Server) -> Any:
        return hub.InferenceClient(f"http://127.0.0.1:{server.server_port}/")

    expected = [(one.label, round(one.score, 6)) for one in classifier.classify(NOTE)]
    found = client(labels).text_classification(NOTE)
    assert [(one.label, one.score) for one in found] == expected
    assert len(client(labels).text_classification(NOTE, top_k=2)) == 2
    assert np.array_equal(client(vectors).feature_extraction(NOTE), embedder.embed([NOTE])[0])
    _, many, _ = ask(vectors, "POST", "/", {"inputs": TEXTS})
    assert np.array_equal(np.float32(many), embedder.embed(TEXTS))
    pairs = {"inputs": [{"text": "Fever?", "text_pair": NOTE}], "parameters": {"top_k": 1}}
    best = classifier.classify(("Fever?", NOTE))[0]
    assert ask(labels, "POST", "/", pairs)[1] == [[{"label": best.label, "score": round(best.score, 6)}]]


def test_kserve_clients_get_labels_or_a_matrix(
    labels: Server, vectors: Server, classifier: Classifier, embedder: Embedder
) -> None:
    """Version 2 of the protocol: what the model takes and gives, and the tensors."""

    def tensor(name: str, data: list[str]) -> dict[str, Any]:
        return {"name": name, "shape": [len(data)], "datatype": "BYTES", "data": data}

    model = "/v2/models/tiny"
    assert [one["name"] for one in ask(labels, "GET", model)[1]["inputs"]] == ["text", "text_pair"]
    inputs = [tensor("text", ["Fever?"]), tensor("text_pair", [NOTE])]
    _, body, _ = ask(labels, "POST", f"{model}/infer", {"inputs": inputs})
    assert json.loads(body["outputs"][0]["data"][0]) == rounded(classifier, ("Fever?", NOTE))
    assert ask(vectors, "GET", model)[1]["outputs"][0]["datatype"] == "FP32"
    _, body, _ = ask(vectors, "POST", f"{model}/infer", {"inputs": [tensor("text", TEXTS)]})
    (output,) = body["outputs"]
    assert output["shape"] == [2, 4]
    assert np.array_equal(np.reshape(np.float32(output["data"]), output["shape"]), embedder.embed(TEXTS))
    uneven = [tensor("text", TEXTS), tensor("text_pair", [NOTE])]
    assert ask(labels, "POST", f"{model}/infer", {"inputs": uneven})[0] == 400


REFUSED = {
    "other path": ("labels", "/recognize", {"text": SECRET}, 404, "for text-classification: ask /classify"),
    "other path too": ("vectors", "/classify", {"text": SECRET}, 404, "for feature-extraction: ask /embed"),
    "page": ("vectors", "/html", {"text": SECRET}, 404, "ask /embed"),
    "option": ("labels", "/classify", {"text": SECRET, "aggregation": "max"}, 400, "aggregation is not for"),
    "meaning": ("vectors", "/embed", {"text": SECRET, "regimens": True}, 400, "regimens is not for that"),
    "pair": ("vectors", "/embed", {"text": SECRET, "text_pair": SECRET}, 400, "text_pair is not for that"),
    "pair outside": ("labels", "/classify", {"notes": [], "text_pair": SECRET}, 400, "beside text"),
    "pair is a number": (
        "labels",
        "/classify",
        {"text": SECRET, "text_pair": 3},
        400,
        "text_pair is a number",
    ),
    "label": ("labels", "/classify", {"text": SECRET, "threshold": {SECRET: 1}}, 400, "the model has asthma"),
    "too long": ("labels", "/classify", {"text": "a", "text_pair": SECRET * 9_999}, 413, "at most 50000"),
    "full pair": (
        "labels",
        "/classify",
        {"text": NOTE * 4, "text_pair": SECRET},
        400,
        "first text of the pair",
    ),
    "unit": ("vectors", "/embed", {"text": SECRET, "normalize": SECRET}, 400, "expected true or false"),
    "inputs": ("labels", "/", {"inputs": [3]}, 400, "objects with text and text_pair"),
    "inputs too": ("vectors", "/", {"inputs": {"text": SECRET}}, 400, "expected a text or a list of texts"),
    "top_k": ("labels", "/", {"inputs": SECRET, "parameters": {"top_k": 0}}, 400, "top_k"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_the_task_is_refused(case: str, request: pytest.FixtureRequest) -> None:
    """With what would fit, and nothing of the text."""
    name, path, body, status, message = REFUSED[case]
    got, answer, _ = ask(request.getfixturevalue(name), "POST", path, body)
    assert (got, message in answer["error"]["message"]) == (status, True), answer
    assert SECRET not in json.dumps(answer)


@pytest.mark.parametrize(("name", "verb"), [("labels", "classify"), ("vectors", "embed")])
def test_the_openapi_document_names_the_tasks_own_routes(
    name: str, verb: str, request: pytest.FixtureRequest
) -> None:
    """A path answers the methods that it lists, and no other; each name of a schema is there."""
    server = request.getfixturevalue(name)
    _, found, _ = ask(server, "GET", "/openapi.json")
    assert found == document(verb)
    assert {f"/{verb}", "/recognize", "/html"} & set(found["paths"]) == {f"/{verb}"}
    for path, operations in found["paths"].items():
        for method in ("get", "post"):
            real = path.replace("{model}", "tiny")
            status = ask(server, method.upper(), real, None if method == "get" else b"{}")[0]
            assert (status in (404, 405)) == (method not in operations), (method, path)
    named = set(json.dumps(found).split("#/components/schemas/")[1:])
    assert {one.partition('"')[0] for one in named} <= set(found["components"]["schemas"])
    about = ask(server, "GET", f"/{verb}")[1]
    assert about["task"] == {"classify": "text-classification", "embed": "feature-extraction"}[verb]


@pytest.mark.parametrize(
    ("name", "verb", "counted"), [("labels", "classify", "labels"), ("vectors", "embed", "vectors")]
)
def test_metrics_count_what_is_found_without_texts(
    name: str, verb: str, counted: str, request: pytest.FixtureRequest
) -> None:
    """Chosen labels, vectors, notes, and the characters of both texts of a pair."""
    server = request.getfixturevalue(name)

    def number(of: str) -> int:
        lines = ask(server, "GET", "/metrics")[1].splitlines()
        return int(
            next(line.rpartition(" ")[2] for line in lines if line.startswith(f"clinspan_{of}_total "))
        )

    before = number(counted), number("characters")
    body: dict[str, str] = {"text": SECRET}
    if verb == "classify":
        body["text_pair"] = SECRET
    assert ask(server, "POST", f"/{verb}", body)[0] == 200
    assert (number(counted), number("characters")) == (before[0] + 1, before[1] + len(SECRET) * len(body))
    assert SECRET not in ask(server, "GET", "/metrics")[1]


def test_functions_answer_for_every_task(
    classifier: Classifier, embedder: Embedder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lambda's handler and the one of functions-framework; the log counts, and holds no text."""
    answer = make_handler(Service(classifier, RequestLimits()))({"text": SECRET}, None)
    assert (answer["statusCode"], answer["labels"]) == (200, rounded(classifier, SECRET))

    class Request:
        method, content_length = "POST", None

        class stream:  # noqa: N801 - as Flask's
            @staticmethod
            def read(limit: int) -> bytes:
                return json.dumps({"notes": [{"text": SECRET}]}).encode()

    text, status, _ = make_http(Service(embedder, RequestLimits()))(Request())
    assert status == 200
    vector = json.loads(text)["notes"][0]["vector"]
    assert np.array_equal(np.float32(vector), embedder.embed([SECRET])[0])
    small = make_handler(Service(embedder, RequestLimits(max_answer_bytes=100)))({"text": SECRET}, None)
    assert small["error"]["code"] == "answer_too_large"
    assert SECRET not in capsys.readouterr().out


def test_a_service_loads_any_bundle(tmp_path: Path) -> None:
    """CLINSPAN_MODEL may be a model of any task; one of pairs asks for pairs."""
    folder = text_bundles.classifier(tmp_path / "b", Scoring(("no", "yes"), pairs=True))
    service = Service.load({"CLINSPAN_MODEL": str(folder), "CLINSPAN_LOG_LEVEL": "ERROR"})
    assert service.verb.name == "classify"
    handler = make_handler(service)
    refused = handler({"text": SECRET}, None)
    assert refused["statusCode"] == 400
    assert "pass a pair of texts" in refused["error"]["message"]
    assert handler({"text": "Fever?", "text_pair": SECRET}, None)["labels"][0]["chosen"]
