"""The routes as an ASGI application, for uvicorn, hypercorn and the like: `uvicorn clinspan.serving:app`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from clinspan.serving.request import RequestError
from clinspan.serving.server.routes import HttpReply, HttpRequest, Routes
from clinspan.serving.service import Service

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Coroutine[Any, Any, None]]


def make_asgi(service: Service, *, seconds: float = 60.0) -> Application:
    """Make an ASGI application.

    Args:
        service: the loaded model.
        seconds: longest that a request may take once its body is there.
    """
    routes = Routes(service)

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(routes, receive, send)
        elif scope["type"] == "http":
            body = await _body(receive, service.limits.max_bytes)
            call = HttpRequest(
                scope["method"], scope["path"], lambda: _checked(body, service), seconds=seconds
            )
            await _send(await asyncio.to_thread(routes.reply, call), scope["method"], send)

    return application


async def _lifespan(routes: Routes, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        routes.ready = message["type"] == "lifespan.startup"
        await send({"type": f"{message['type']}.complete"})
        if not routes.ready:
            return


async def _body(receive: Receive, limit: int) -> bytes | None:
    """Read the body; None for one that is larger than the limit, which is read to its end and not kept."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        part = message.get("body", b"")
        size += len(part)
        more = message.get("more_body", False)
        if size <= limit:
            parts.append(part)
        else:
            parts.clear()
    return None if size > limit else b"".join(parts)


def _checked(body: bytes | None, service: Service) -> bytes:
    if body is None:
        raise RequestError(413, "too_large", f"at most {service.limits.max_bytes} bytes are allowed")
    return body


async def _send(reply: HttpReply, method: str, send: Send) -> None:
    headers = {**reply.headers, "content-length": str(len(reply.body))}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})
