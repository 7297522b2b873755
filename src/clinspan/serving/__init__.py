"""Answer requests in a function in the cloud: AWS Lambda, and whatever runs functions-framework.

    handler(event, context)    AWS Lambda: direct invocations, API Gateway, function URLs, queue batches
    http(request)              functions-framework, and any other caller with a Flask request
    app                        an ASGI application, for uvicorn and the like

They load the model named by CLINSPAN_MODEL when they are first looked up, which services do in their init phase; importing this module loads nothing. To send the results of queue messages somewhere, or to
change how a model is loaded, make the same handler in two steps:

    from clinspan.serving import Service, make_handler
    handler = make_handler(Service.load(), sink=store)

Request, as JSON: `{"text": "..."}` or `{"notes": [{"id": "a", "text": "..."}, ...]}`, and optionally
`threshold`, `aggregation`, `timeout` (seconds), `assertion` and `regimens` (true or false). Limits come from the environment, see `RequestLimits`.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from clinspan.serving.aws_lambda import Handler, Sink, make_handler
from clinspan.serving.functions_framework import make_http
from clinspan.serving.limits import RequestLimits
from clinspan.serving.service import Answer, Service
from clinspan.serving.snapshot import warm_before_snapshot

__all__ = ["Answer", "Handler", "RequestLimits", "Service", "Sink", "make_handler", "make_http"]


@cache
def _service() -> Service:
    return Service.load()


@cache
def _entry(name: str) -> Any:
    if name == "app":
        from clinspan.serving.server.asgi import make_asgi  # functions have no use for the server's routes

        return make_asgi(_service())
    if name == "http":
        return make_http(_service())
    warm_before_snapshot(_service(), os.environ)
    return make_handler(_service())


def __getattr__(name: str) -> Any:
    # Services import a module and look up its entry point before the first request: here a model can be
    # loaded in the init phase without every import of the module loading one.
    if name in ("handler", "http", "app"):
        return _entry(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
