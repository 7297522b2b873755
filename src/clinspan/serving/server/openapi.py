"""The OpenAPI 3.1 document of `clinspan serve`. See https://spec.openapis.org/oas/v3.1.0."""

from __future__ import annotations

from typing import Any

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
_OPTIONS = {
    "threshold": {
        "oneOf": [{"type": "number"}, {"type": "object", "additionalProperties": {"type": "number"}}]
    },
    "aggregation": {"enum": ["first", "average", "max", "simple"]},
    "timeout": {"type": "number", "description": "seconds"},
}
_NOTE = {
    "type": "object",
    "required": ["text"],
    "properties": {"id": {"type": ["string", "integer"]}, "text": _TEXT},
    "additionalProperties": False,
}
_SPANS = {"type": "array", "items": {"$ref": "#/components/schemas/Span"}}
_SCHEMAS: dict[str, Any] = {
    "Span": _SPAN,
    "Request": {
        "oneOf": [
            {"type": "object", "required": ["text"], "properties": {"text": _TEXT, **_OPTIONS}},
            {
                "type": "object",
                "required": ["notes"],
                "properties": {"notes": {"type": "array", "items": _NOTE}, **_OPTIONS},
            },
        ]
    },
    "Answer": {
        "type": "object",
        "properties": {
            "spans": _SPANS,
            "notes": {
                "type": "array",
                "items": {"type": "object", "properties": {"id": _TEXT, "spans": _SPANS}},
            },
            "model": {"type": "object"},
            "timings": {"type": "object"},
        },
    },
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {"type": "object", "properties": {"code": _TEXT, "message": _TEXT, "id": _TEXT}}
        },
    },
    "Inputs": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "inputs": {"oneOf": [_TEXT, {"type": "array", "items": _TEXT}]},
            "parameters": {"type": "object"},
        },
    },
    "Tensors": {"type": "object", "required": ["inputs"], "properties": {"inputs": {"type": "array"}}},
    "Anything": {},
}
_GETS = {
    "/": "The page.",
    "/healthz": "Whether the process lives.",
    "/readyz": "Whether requests are welcome; 503 while it stops.",
    "/metrics": "Counts and times for Prometheus.",
    "/openapi.json": "This document.",
    "/recognize": "Which model is loaded, and what it finds.",
    "/v2": "The server, as KServe's protocol asks.",
    "/v2/health/live": "Whether the process lives.",
    "/v2/health/ready": "Whether requests are welcome.",
    "/v2/models/{model}": "The model's inputs and outputs.",
    "/v2/models/{model}/ready": "Whether requests are welcome.",
}
# Path, what it does, schema of the request, schema of the answer.
_POSTS = {
    "/recognize": ("Find the entities of one note or of many.", "Request", "Answer"),
    "/": ("The same, or as Hugging Face's inference API asks.", "Inputs", "Anything"),
    "/html": ("Find the entities of one note, as highlighted HTML.", "Request", "Anything"),
    "/v2/models/{model}/infer": (
        "Find the entities of notes, as KServe's protocol asks.",
        "Tensors",
        "Anything",
    ),
}


def document() -> dict[str, Any]:
    """Write the document."""
    from clinspan import __version__

    paths: dict[str, dict[str, Any]] = {}
    for path, summary in _GETS.items():
        paths[path] = {"get": {"summary": summary, "responses": {"200": {"description": "done"}}}}
    for path, (summary, asked, answered) in _POSTS.items():
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
        "components": {"schemas": _SCHEMAS},
    }


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
