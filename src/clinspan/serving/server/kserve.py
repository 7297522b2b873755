"""The shapes of KServe's open inference protocol, version 2, over HTTP and JSON.

See https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol. A note is an element of the input
`text` (BYTES); its spans are the same element of the output `spans`, as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from clinspan.serving.request import RequestError

_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/[^/]+)?(?:/(ready|infer))?")
_TENSOR = {"datatype": "BYTES", "shape": [-1]}


def model_path(path: str) -> tuple[str, str] | None:
    """Split a path of the protocol into a model's name and `ready`, `infer` or nothing."""
    found = _MODEL.fullmatch(path)
    return None if found is None else (found[1], found[2] or "")


def server() -> dict[str, Any]:
    """Describe the server."""
    from clinspan import __version__

    return {"name": "clinspan", "version": __version__, "extensions": []}


def model(name: str) -> dict[str, Any]:
    """Describe the model's inputs and outputs."""
    return {
        "name": name,
        "platform": "clinspan_onnx",
        "inputs": [{"name": "text", **_TENSOR}],
        "outputs": [{"name": "spans", **_TENSOR}],
    }


def request(data: object) -> dict[str, Any]:
    """Make the service's own request of one of the protocol.

    Raises:
        RequestError: it has no input `text` of strings.
    """
    inputs = data.get("inputs") if isinstance(data, dict) else None
    for tensor in inputs if isinstance(inputs, list) else ():
        if isinstance(tensor, dict) and tensor.get("name") == "text" and tensor.get("datatype") == "BYTES":
            texts = tensor.get("data")
            if isinstance(texts, list):
                return {"notes": [{"text": text} for text in texts]}
    raise RequestError(
        400, "bad_request", "expected an input named text, of the datatype BYTES, with its data in the JSON"
    )


def response(name: str, request_id: str, notes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make the protocol's response of the service's answer."""
    data = [json.dumps(note["spans"]) for note in notes]
    output = {"name": "spans", "datatype": "BYTES", "shape": [len(data)], "data": data}
    return {"model_name": name, **({"id": request_id} if request_id else {}), "outputs": [output]}
