"""The OpenAPI 3.1 document of `clinspan serve`. See https://spec.openapis.org/oas/v3.1.0."""

from __future__ import annotations

from typing import Any

from clinspan.serving.limits import VERB_OPTIONS

_TEXT = {"type": "string"}
_SPAN = {
    "type": "object",
    "required": ["label", "start", "end", "text", "score"],
    "properties": {
        "label": _TEXT,
        "start": {"type": "integer", "description": "first character, in Unicode code points"},
        "end": {"type": "integer", "description": "one past the last character"},
        "text": _TEXT,
        "score": {"type": "number"},
    },
}
_LABEL = {
    "type": "object",
    "required": ["label", "score", "chosen"],
    "properties": {"label": _TEXT, "score": {"type": "number"}, "chosen": {"type": "boolean"}},
}
_SWITCH = {"type": "boolean"}
_OPTIONS: dict[str, Any] = {
    "threshold": {
        "oneOf": [{"type": "number"}, {"type": "object", "additionalProperties": {"type": "number"}}]
    },
    "aggregation": {"enum": ["first", "average", "max", "simple"]},
    "timeout": {"type": "number", "description": "seconds"},
    "assertion": _SWITCH,
    "regimens": _SWITCH,
    "truncate": {**_SWITCH, "description": "read the first window only"},
    "normalize": {**_SWITCH, "description": "bring every vector to length 1"},
}
# Of each verb: the field of an answer and its schema.
_FOUND: dict[str, tuple[str, dict[str, Any]]] = {
    "recognize": ("spans", {"type": "array", "items": {"$ref": "#/components/schemas/Span"}}),
    "classify": ("labels", {"type": "array", "items": {"$ref": "#/components/schemas/Label"}}),
    "embed": ("vector", {"type": "array", "items": {"type": "number"}}),
}


def _schemas(verb: str) -> dict[str, Any]:
    """The schemas of the requests and answers of a verb."""
    texts = {"text": _TEXT, **({"text_pair": _TEXT} if verb == "classify" else {})}
    options = {name: _OPTIONS[name] for name in VERB_OPTIONS[verb]}
    note = {
        "type": "object",
        "required": ["text"],
        "properties": {"id": {"type": ["string", "integer"]}, **texts},
        "additionalProperties": False,
    }
    notes = {"notes": {"type": "array", "items": note}}
    requests = [
        {"type": "object", "required": ["text"], "properties": {**texts, **options}},
        {"type": "object", "required": ["notes"], "properties": {**notes, **options}},
    ]
    found = dict([_FOUND[verb]])
    rows = {"type": "array", "items": {"type": "object", "properties": {"id": _TEXT, **found}}}
    about = {"model": {"type": "object"}, "timings": {"type": "object"}}
    one = {"oneOf": [_TEXT, {"type": "object", "properties": texts}]} if verb == "classify" else _TEXT
    inputs = {"oneOf": [one, {"type": "array", "items": one}]}
    return {
        **_SCHEMAS,
        "Request": {"oneOf": requests},
        "Answer": {"type": "object", "properties": {**found, "notes": rows, **about}},
        "Inputs": {
            "type": "object",
            "required": ["inputs"],
            "properties": {"inputs": inputs, "parameters": {"type": "object"}},
        },
    }


_SCHEMAS: dict[str, Any] = {
    "Span": _SPAN,
    "Label": _LABEL,
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {"type": "object", "properties": {"code": _TEXT, "message": _TEXT, "id": _TEXT}}
        },
    },
    "Tensors": {"type": "object", "required": ["inputs"], "properties": {"inputs": {"type": "array"}}},
    "Anything": {},
}
_GETS = {
    "/": "The page; or which model is loaded, where it is not for entities.",
    "/healthz": "Whether the process lives.",
    "/readyz": "Whether requests are welcome; 503 while it stops.",
    "/metrics": "Counts and times for Prometheus.",
    "/openapi.json": "This document.",
    "/v2": "The server, as KServe's protocol asks.",
    "/v2/health/live": "Whether the process lives.",
    "/v2/health/ready": "Whether requests are welcome.",
    "/v2/models/{model}": "The model's inputs and outputs.",
    "/v2/models/{model}/ready": "Whether requests are welcome.",
}
_DOES = {
    "recognize": "Find the entities of",
    "classify": "Score the labels of",
    "embed": "Give the vector of",
}


def _posts(verb: str) -> dict[str, tuple[str, str, str]]:
    """Path -> what it does, the schema of the request, the schema of the answer."""
    does = _DOES[verb]
    found = {
        f"/{verb}": (f"{does} one note or of many.", "Request", "Answer"),
        "/": ("The same, or as Hugging Face's inference API asks.", "Inputs", "Anything"),
        "/v2/models/{model}/infer": (f"{does} notes, as KServe's protocol asks.", "Tensors", "Anything"),
    }
    if verb == "recognize":
        found["/html"] = (f"{does} one note, as highlighted HTML.", "Request", "Anything")
    return found


def document(verb: str = "recognize") -> dict[str, Any]:
    """Write the document of a server whose model does `verb`."""
    from clinspan import __version__

    paths: dict[str, dict[str, Any]] = {}
    for path, summary in {**_GETS, f"/{verb}": "Which model is loaded, and what it finds."}.items():
        paths[path] = {"get": {"summary": summary, "responses": {"200": {"description": "done"}}}}
    for path, (summary, asked, answered) in _posts(verb).items():
        responses = {"200": {"description": "done", "content": _content(answered)}}
        for status, why in (
            ("400", "not a request"),
            ("413", "too large"),
            ("503", "stopping"),
            ("504", "too late"),
        ):
            responses[status] = {"description": why, "content": _content("Error")}
        body = {"required": True, "content": _content(asked)}
        paths.setdefault(path, {})["post"] = {"summary": summary, "requestBody": body, "responses": responses}
    for path, operations in paths.items():
        if "{model}" in path:
            operations["parameters"] = [{"name": "model", "in": "path", "required": True, "schema": _TEXT}]
    return {
        "openapi": "3.1.0",
        "info": {"title": "clinspan", "version": __version__},
        "paths": paths,
        "components": {"schemas": _schemas(verb)},
    }


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
