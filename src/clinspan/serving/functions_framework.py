"""functions-framework's Flask request -> answer. Imports neither: any object of that shape will do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clinspan.serving.aws_lambda import respond
from clinspan.serving.request import RequestError
from clinspan.serving.service import Service

HttpResponse = tuple[str, int, dict[str, str]]


def make_http(service: Service) -> Callable[[Any], HttpResponse]:
    """Make a function for functions-framework: `http(request)` with a Flask request.

    The service tells a function nothing of its deadline: set CLINSPAN_MAX_SECONDS a little below the
    timeout that the service was deployed with.
    """

    def http(request: Any) -> HttpResponse:
        answer = respond(service, request.method, lambda: _body(request, service.limits.max_bytes))
        headers = {"content-type": "application/json"}
        if answer.status == 405:
            headers["allow"] = "GET, POST"
        return ("" if request.method == "HEAD" else answer.text), answer.status, headers

    return http


def _body(request: Any, limit: int) -> bytes:
    """The body, read no further than one byte past the limit."""
    if (request.content_length or 0) > limit:
        raise RequestError(
            413,
            "too_large",
            f"the body has {request.content_length} bytes, and at most {limit} are allowed",
        )
    body: bytes = request.stream.read(limit + 1)
    return body
