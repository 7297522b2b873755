"""The shapes of KServe's open inference protocol, version 2, over HTTP and JSON.

See https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol. A note is an element of the input
`text` (BYTES), and the second text of a pair the same element of `text_pair`; its spans or labels are the same element
of the output `spans` or `labels`, as JSON, and its vector a row of the output `vector` (FP32).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from clinspan.serving.request import RequestError

_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/[^/]+)?(?:/(ready|infer))?")
_TENSOR: dict[str, Any] = {"datatype": "BYTES", "shape": [-1]}
_FIELDS = {"recognize": "spans", "classify": "labels"}


def model_path(path: str) -> tuple[str, str] | None:
    """Split a path of the protocol into a model's name and `ready`, `infer` or nothing."""
    found = _MODEL.fullmatch(path)
    return None if found is None else (found[1], found[2] or "")


def server() -> dict[str, Any]:
    """Describe the server."""
    from clinspan import __version__

    return {"name": "clinspan", "version": __version__, "extensions": []}


def model(name: str, verb: str) -> dict[str, Any]:
    """Describe the model's inputs and outputs."""
    inputs = [{"name": "text", **_TENSOR}]
    if verb == "classify":
        inputs.append({"name": "text_pair", **_TENSOR})
    if verb == "embed":
        output = {"name": "vector", "datatype": "FP32", "shape": [-1, -1]}
    else:
        output = {"name": _FIELDS[verb], **_TENSOR}
    return {"name": name, "platform": "clinspan_onnx", "inputs": inputs, "outputs": [output]}


def request(data: object, verb: str) -> dict[str, Any]:
    """Make the service's own request of one of the protocol.

    Raises:
        RequestError: it has no input `text` of strings, or a second one that does not fit it.
    """
    texts = _tensor(data, "text")
    if texts is None:
        raise RequestError(
            400,
            "bad_request",
            "expected an input named text, of the datatype BYTES, with its data in the JSON",
        )
    seconds = _tensor(data, "text_pair") if verb == "classify" else None
    if seconds is None:
        return {"notes": [{"text": text} for text in texts]}
    if len(seconds) != len(texts):
        raise RequestError(400, "bad_request", "text and text_pair have another number of elements")
    return {"notes": [{"text": one, "text_pair": two} for one, two in zip(texts, seconds, strict=True)]}


def _tensor(data: object, name: str) -> list[Any] | None:
    inputs = data.get("inputs") if isinstance(data, dict) else None
    for tensor in inputs if isinstance(inputs, list) else ():
        if isinstance(tensor, dict) and tensor.get("name") == name and tensor.get("datatype") == "BYTES":
            found = tensor.get("data")
            return found if isinstance(found, list) else None
    return None


def response(name: str, request_id: str, notes: Sequence[Mapping[str, Any]], verb: str) -> dict[str, Any]:
    """Make the protocol's response of the service's answer."""
    if verb == "embed":
        vectors = [note["vector"] for note in notes]
        shape = [len(vectors), len(vectors[0]) if vectors else 0]
        numbers: list[Any] = list(chain.from_iterable(vectors))
        output = {"name": "vector", "datatype": "FP32", "shape": shape, "data": numbers}
    else:
        data = [json.dumps(note[_FIELDS[verb]]) for note in notes]
        output = {"name": _FIELDS[verb], "datatype": "BYTES", "shape": [len(data)], "data": data}
    return {"model_name": name, **({"id": request_id} if request_id else {}), "outputs": [output]}
