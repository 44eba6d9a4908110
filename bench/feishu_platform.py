"""As much of Feishu's open platform as a bot needs that answers text: everything is done at once, and forgotten."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench.errors import EngineNotReady

BOT = "ou_bench_bot"
_START_S = 30.0
_MESSAGES, _CARDS = "/open-apis/im/v1/messages", "/open-apis/cardkit/v1/cards"


def platform_app(replied: Callable[[str], None]) -> Starlette:
    """`replied` is told the id of each message that the bot replies to."""
    numbers = itertools.count(1)

    async def token(_: Request) -> Response:
        return _done(tenant_access_token="t-bench", expire=7200)

    async def bot(_: Request) -> Response:
        return _done(bot={"open_id": BOT, "app_name": "larkwise"})

    async def reply(request: Request) -> Response:
        replied(request.path_params["message_id"])
        return _done(data={"message_id": f"om_reply_{next(numbers)}"})

    async def create_card(_: Request) -> Response:
        return _done(data={"card_id": f"card_{next(numbers)}"})

    async def change_card(_: Request) -> Response:
        return _done(data={})

    return Starlette(
        routes=[
            Route("/open-apis/auth/v3/tenant_access_token/internal", token, methods=["POST"]),
            Route("/open-apis/bot/v3/info", bot),
            Route(f"{_MESSAGES}/{{message_id}}/reply", reply, methods=["POST"]),
            Route(_CARDS, create_card, methods=["POST"]),
            Route(f"{_CARDS}/{{card_id}}", change_card, methods=["PUT"]),
            Route(f"{_CARDS}/{{card_id}}/settings", change_card, methods=["PATCH"]),
            Route(f"{_CARDS}/{{card_id}}/elements/{{element_id}}/content", change_card, methods=["PUT"]),
        ]
    )


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """
    Its address, on a free port of loopback, while it runs in a thread.

    Raises:
        EngineNotReady: it does not start.
    """
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="warning", access_log=False, lifespan="off", ws="none",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="feishu-platform", daemon=True)
    thread.start()
    try:
        until = time.monotonic() + _START_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > until:
                raise EngineNotReady("the stand-in for Feishu did not start")
            time.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _done(**told: Any) -> Response:
    return JSONResponse({"code": 0, "msg": "success", **told})
