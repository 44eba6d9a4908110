"""
POST /feishu/webhook and /feishu/card_callback: events and clicks, as Feishu sends them.

Both take both: an app's console asks for two addresses, and may be given the same one twice. A click is a
`card.action.trigger`; the older card callback without a `schema` is not supported.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from app.errors import Problem, responses
from app.feishu.deliveries import Challenge, open_delivery
from app.feishu.errors import InboxUnavailable, NotAuthentic
from app.feishu.receiving import FeishuDoor

logger = logging.getLogger(__name__)
MAX_BYTES = 1024 * 1024
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


@router.post("/feishu/webhook")
@router.post("/feishu/card_callback")
async def webhook(request: Request) -> Response:
    """For Feishu alone: encrypted, signed. It is answered when the event is kept, before anything is done about it."""
    door: FeishuDoor | None = getattr(request.app.state, "feishu", None)
    if door is None:
        is_coming = getattr(request.app.state, "feishu_is_expected", False)
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


def _json(value: dict[str, Any]) -> Response:
    # ASCII: a challenge or a message may hold half a character, which has no UTF-8
    return Response(json.dumps(value), media_type=JSONResponse.media_type)
