"""One log line a request, with an id that the answer carries too."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("larkwise.requests")
HEADER = "X-Request-ID"
_SAFE = re.compile(r"[\w.-]{1,64}")
_KEY = "larkwise_request_id"
Answered = Callable[[str, str, int, float], None]
"""Is told a request's method, route (a pattern, not the path), status and seconds."""


class RequestLog:
    """ASGI middleware: method, path, status and seconds of every request, when its last byte has gone."""

    def __init__(self, app: ASGIApp, answered: Answered) -> None:
        self._app = app
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        request_id = mark_request(scope)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            logger.info("%s %s %s %.3fs %s", scope["method"], scope["path"], status, seconds, request_id)
            self._answered(scope["method"], route_of(scope), status, seconds)


def mark_request(scope: Scope) -> str:
    """The request has an id from now on: the client's, or a new one."""
    given = Headers(scope=scope).get(HEADER, "")
    # an id from outside goes into the log: it must not be able to forge a line
    request_id: str = given if _SAFE.fullmatch(given) else uuid.uuid4().hex[:16]
    scope[_KEY] = request_id
    return request_id


def route_of(scope: Scope) -> str:
    """The pattern of the route that took the request: there are few of them, whatever clients ask for."""
    return str(getattr(scope.get("route"), "path", "") or "unknown")


def request_id_of(scope: Scope) -> str:
    """The id of the request; empty outside of one."""
    return str(scope.get(_KEY, ""))


def configure_logging(level: str) -> None:
    """To standard error; the libraries' own chatter only from warnings on."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for room in ("larkwise", "app", "chains", "ingest", "models"):
        logging.getLogger(room).setLevel(level)
