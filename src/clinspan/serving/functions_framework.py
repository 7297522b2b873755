"""Answer functions-framework's Flask requests. Imports neither: any object of that shape will do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clinspan.serving.request import RequestError
from clinspan.serving.service import Service

HttpResponse = tuple[str, int, dict[str, str]]


def make_http(service: Service) -> Callable[[Any], HttpResponse]:
    """Make a function for functions-framework: `http(request)` with a Flask request.

    The service does not tell a function its deadline: set CLINSPAN_MAX_SECONDS a little below the timeout
    that the function was deployed with.
    """

    def http(request: Any) -> HttpResponse:
        answer = service.answer_http(request.method, lambda: _body(request, service.limits.max_bytes))
        return ("" if request.method == "HEAD" else answer.text), answer.status, answer.headers

    return http


def _body(request: Any, limit: int) -> bytes:
    """Read the body, no further than one byte past the limit."""
    length = request.content_length
    if length is not None and length > limit:
        raise RequestError(
            413,
            "too_large",
            f"the body has {length} bytes, and at most {limit} are allowed",
        )
    body: bytes = request.stream.read(limit + 1)
    return body
