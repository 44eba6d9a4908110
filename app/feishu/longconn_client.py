"""
One long connection to Feishu, from its opening to its end.

The form of its frames, putting split messages together and the control frames are lark-oapi's. The rest of that client
is replaced: it asks for the address without a time limit, takes one event at a time, never answers a frame of type
`card`, does not notice that it hears nothing, and cannot be stopped.

Importing this imports lark-oapi, which takes seconds and 100 MB: only the connection's own thread does.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import websockets
from lark_oapi.core.enum import LogLevel
from lark_oapi.core.log import handler as lark_handler
from lark_oapi.core.log import logger as lark_logger
from lark_oapi.ws import client as lark
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException

from app.feishu.credentials import Credentials
from app.feishu.errors import PlatformUnavailable
from app.feishu.longconn_endpoint import Endpoint, find_endpoint, refused
from app.feishu.longconn_events import Acknowledgement

logger = logging.getLogger(__name__)
_wire_logger = logging.getLogger(f"{__name__}.wire")
_CLOSE_S = 1
_FINISH_S = 3


def keep_quiet() -> None:
    """lark-oapi logs to standard output too, and below INFO websockets logs what people write."""
    lark_logger.removeHandler(lark_handler)
    _wire_logger.setLevel(logging.WARNING)


class Connection(lark.Client):  # type: ignore[misc]  # mypy does not follow lark_oapi
    """To be run once. `take` gets each message's JSON and says what Feishu is told."""

    def __init__(
        self,
        credentials: Credentials,
        take: Callable[[bytes], Awaitable[Acknowledgement]],
        *,
        silence_s: float,
        endpoint_timeout_s: float,
    ) -> None:
        super().__init__(
            credentials.app_id, credentials.app_secret, log_level=LogLevel.ERROR, domain=credentials.domain
        )
        self._credentials = credentials
        self._take = take
        self._silence_s = silence_s
        self._endpoint_timeout_s = endpoint_timeout_s
        self._handling: set[asyncio.Task[None]] = set()

    async def run(self, connected: Callable[[], None]) -> None:
        """
        Open the connection, call `connected`, and take what comes, for as long as it lasts.

        Raises:
            Misconfigured: Feishu does not want this app.
            PlatformUnavailable: it cannot be reached, has closed the connection, or is not heard any more.
        """
        try:
            endpoint = await find_endpoint(
                self._credentials, timeout_s=self._endpoint_timeout_s, user_agent=self._user_agent
            )
            self._conn = await self._open(endpoint)
            connected()
            await self._talk(endpoint)
        finally:
            self._cache._cron.cancel()  # lark-oapi would let it, and so all of this, live on

    async def _open(self, endpoint: Endpoint) -> Any:
        try:
            return await websockets.connect(
                endpoint.url, open_timeout=self._endpoint_timeout_s, close_timeout=_CLOSE_S, logger=_wire_logger
            )
        except InvalidHandshake as error:
            raise _translated(error) from error
        except (OSError, WebSocketException) as error:  # a TimeoutError is an OSError
            raise PlatformUnavailable(f"the long connection cannot be opened: {type(error).__name__}") from error

    async def _talk(self, endpoint: Endpoint) -> None:
        self._ping_interval = endpoint.ping_s
        pinging = asyncio.create_task(self._ping(endpoint.service))
        try:
            await self._read()
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)
            await self._finish()
            await self._conn.close()

    async def _read(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._silence_s):
                    message = await self._conn.recv()
            except TimeoutError as error:
                raise PlatformUnavailable(f"nothing was heard for {self._silence_s:g} s") from error
            except ConnectionClosed as error:
                raise PlatformUnavailable(f"the connection was closed ({error})") from error
            task = asyncio.create_task(self._handle_message(message))
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)

    async def _ping(self, service: int) -> None:
        ping = lark._new_ping_frame(service).SerializeToString()
        while True:
            await self._write_message(ping)
            await asyncio.sleep(self._ping_every_s())

    def _ping_every_s(self) -> float:
        # Feishu asks for 2 minutes, in which it may be silent; its answers to pings are what shows that it is there
        wanted: object = self._ping_interval  # a pong may bring another one, whatever that is
        often = self._silence_s / 3
        return min(wanted, often) if isinstance(wanted, int | float) and wanted > 0 else often

    async def _finish(self) -> None:
        """What was begun is still told to Feishu, if it can be."""
        if self._handling:
            _, late = await asyncio.wait(self._handling, timeout=_FINISH_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _handle_data_frame(self, frame: Any) -> None:
        headers = {header.key: header.value for header in frame.headers}
        if headers["type"] not in ("event", "card"):
            return
        data, parts = frame.payload, int(headers.get("sum") or 1)
        if parts > 1:
            data = self._combine(headers["message_id"], parts, int(headers["seq"]), data)
        if data is None:
            return  # more is to come
        began = time.monotonic()
        acknowledgement = await self._take(data)
        _acknowledge(frame, acknowledgement, seconds=time.monotonic() - began)
        try:
            await self._write_message(frame.SerializeToString())
        except ConnectionClosed:
            logger.warning("message %s could not be acknowledged: Feishu sends it again", headers["message_id"])


def _acknowledge(frame: Any, acknowledgement: Acknowledgement, *, seconds: float) -> None:
    """Make an answer of the frame itself, as Feishu wants it."""
    frame.headers.add(key="biz_rt", value=str(round(seconds * 1000)))
    payload: dict[str, Any] = {"code": acknowledgement.code}
    if acknowledgement.answer:
        payload["data"] = base64.b64encode(json.dumps(acknowledgement.answer).encode()).decode()
    frame.payload = json.dumps(payload).encode()


def _translated(error: InvalidHandshake) -> Exception:
    try:
        lark._parse_ws_conn_exception(error)
    except lark.ClientException as known:
        return refused(known.code, str(known))
    except lark.ServerException as known:
        return PlatformUnavailable(f"Feishu does not open the long connection ({known})", code=known.code)
    except (InvalidHandshake, ValueError, TypeError):
        pass
    return PlatformUnavailable(f"Feishu does not open the long connection ({type(error).__name__})")
