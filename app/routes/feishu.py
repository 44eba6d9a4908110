"""
POST /feishu/webhook and /feishu/card_callback: events and clicks, as Feishu sends them.

Both take both: an app's console asks for two addresses, and may be given the same one twice. A click is a
`card.action.trigger`; the older card callback without a `schema` is not supported.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Problem, logged_problem, responses
from app.feishu.deliveries import Challenge, open_delivery
from app.feishu.errors import InboxUnavailable, NotAuthentic
from app.feishu.receiving import FeishuDoor
from app.observability import mark_request

logger = logging.getLogger(__name__)
MAX_BYTES = 1024 * 1024
_PATHS = ("/feishu/webhook", "/feishu/card_callback")
_MAX_DIGITS = len(str(MAX_BYTES))
router = APIRouter(tags=["feishu"], responses=responses(401, 404, 413, 503))

_NOT_HERE = (
    "there is no Feishu webhook here: LARKWISE_FEISHU_APP_ID is not set, or LARKWISE_FEISHU_TRANSPORT is not webhook"
)
_NOT_CONFIGURED = Problem(404, "not_found", _NOT_HERE, {})
_NOT_AUTHENTIC = Problem(401, "unauthorized", "this is not a request that Feishu has made for this app", {})
"""Whatever is wrong: a difference would help those who guess."""
_TOO_LARGE = Problem(413, "too_large", f"more than {MAX_BYTES} bytes", {"Connection": "close"})
_UNAVAILABLE = Problem(503, "unavailable", "the event cannot be kept now: send it again", {"Retry-After": "5"})


class _TooLarge(Exception):
    """The body has more than `MAX_BYTES`."""


@router.post(_PATHS[0])
@router.post(_PATHS[1])
async def webhook(request: Request) -> Response:
    """For Feishu alone: encrypted, signed. It is answered when the event is kept, before anything is done about it."""
    state = request.scope["app"].state
    door: FeishuDoor | None = getattr(state, "feishu", None)
    if door is None:
        is_coming = getattr(state, "feishu_is_expected", False)
        return (_UNAVAILABLE if is_coming else _NOT_CONFIGURED).response(request.scope)
    try:
        body = await _body(request)
    except _TooLarge:
        door.counted("too_large")
        return _TOO_LARGE.response(request.scope)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    return await _answer(request, body, door)


async def _answer(request: Request, body: bytes, door: FeishuDoor) -> Response:
    try:
        found = open_delivery(request.headers, body, door.keys, now_s=door.clock(), may_look=door.challenges.take)
        if isinstance(found, Challenge):
            door.counted("challenge")
            return _json({"challenge": found.challenge})
        answer = await door.receiver.receive(found.payload)
    except NotAuthentic as error:
        logger.warning("refused a request to the Feishu webhook: %s", error)
        door.counted("not_authentic")
        return _NOT_AUTHENTIC.response(request.scope)
    except InboxUnavailable as error:
        logger.error("an event of Feishu is not kept: %s", error)  # noqa: TRY400 - its cause is said where it is raised
        door.counted("unavailable")
        return _UNAVAILABLE.response(request.scope)
    door.counted("accepted")
    return _json(answer)


async def _body(request: Request) -> bytes:
    """
    All of it; no more is read than may come.

    Raises:
        _TooLarge: it is longer, or says so.
    """
    announced = request.headers.get("content-length", "")
    if len(announced) > _MAX_DIGITS or (announced.isdecimal() and int(announced) > MAX_BYTES):
        raise _TooLarge
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise _TooLarge
    return bytes(body)


class StraightIn:
    """
    ASGI middleware: takes what comes for these routes before everything else does.

    Feishu may send hundreds of events in a second, and none of the middleware is for them: they need no key, are not
    counted among requests, and are answered in a few milliseconds or not at all. `is_over` says that the service ends.
    """

    def __init__(self, app: ASGIApp, *, is_over: Callable[[], bool]) -> None:
        self._app = app
        self._is_over = is_over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and scope["method"] == "POST" and _path(scope) in _PATHS
        if not is_ours:
            await self._app(scope, receive, send)
            return
        mark_request(scope)
        response = _UNAVAILABLE.response(scope) if self._is_over() else await self._answered(scope, receive)
        await response(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive) -> Response:
        try:
            return await webhook(Request(scope, receive))
        except Exception as error:  # noqa: BLE001 - the top of a request: it is logged, and answered as all are
            return logged_problem(error, scope).response(scope)


def _path(scope: Scope) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def _json(value: dict[str, Any]) -> Response:
    # ASCII: a challenge or a message may hold half a character, which has no UTF-8
    return Response(json.dumps(value), media_type=JSONResponse.media_type)
