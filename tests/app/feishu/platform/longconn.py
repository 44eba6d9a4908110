"""The long connection: events over WebSocket instead of a webhook; nothing is signed or encrypted, no token is told."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import secrets
import threading
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.app.feishu.platform.calls import Json, Refused
from tests.app.feishu.platform.frames import CONTROL, DATA, Frame, decode, encode
from tests.app.feishu.platform.state import State
from tests.app.feishu.platform.trouble import Planned, Trouble

FrameType: TypeAlias = Literal["event", "card"]

MOST_CONNECTIONS = 50
EXCEED_CONN_LIMIT = 1000040350
ENDPOINT = "/callback/ws/endpoint"


@dataclass(frozen=True, slots=True)
class Ack:
    """What the client answered to an event: `code` 200 or 500, `data` what its handler gave back."""

    code: int
    data: Any
    headers: Mapping[str, str]


class LongConnections:
    """All of the app's; each event goes to one of them, by chance."""

    def __init__(self, state: State) -> None:
        # Feishu's own are 120 s, 30 s and 120 s; a test cannot wait for them
        self.client_config = {"ReconnectCount": -1, "ReconnectInterval": 1, "ReconnectNonce": 0, "PingInterval": 1}
        """What clients are told, all in whole seconds."""
        self.pings = 0
        """Of clients, in all."""
        self.endpoint_calls = 0
        self._state = state
        self._open: dict[ServerConnection, int] = {}
        self._silent = False
        self._tickets: set[str] = set()
        self._acks: dict[str, Future[Ack]] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._port = 0

    @property
    def connections(self) -> int:
        """How many there are now."""
        with self._lock:
            return len(self._open)

    def wait_connected(self, count: int = 1, *, seconds: float = 20.0) -> None:
        """Until there are as many."""
        until = time.monotonic() + seconds
        while self.connections != count:
            assert time.monotonic() < until, f"{self.connections} long connections, not {count}"
            time.sleep(0.01)

    def push(
        self,
        event: Mapping[str, Any],
        *,
        type_: FrameType = "event",
        parts: int = 1,
        seconds: float = 5.0,
    ) -> Ack:
        """
        Send an event to one of the clients, in so many frames, and wait for its acknowledgement.

        Raises:
            TimeoutError: there was none.
        """
        return self._push(event, type_, parts).result(seconds)

    async def push_async(
        self,
        event: Mapping[str, Any],
        *,
        type_: FrameType = "event",
        parts: int = 1,
        seconds: float = 5.0,
    ) -> Ack:
        async with asyncio.timeout(seconds):
            return await asyncio.wrap_future(self._push(event, type_, parts))

    def close_all(self) -> None:
        """As when the platform is updated: the clients may come again."""
        self._run(self._close_all())

    def go_silent(self) -> None:
        """Connections stay open, and nothing is read or sent on them any more; new ones are as silent."""
        self._silent = True
        self._run(self._pause())

    def speak_again(self) -> None:
        """For new connections; the old ones stay silent."""
        self._silent = False

    def stall_endpoint(self, seconds: float, *, times: int = 1) -> Planned:
        """Whoever asks for an address waits as long."""
        return self._state.troubles.plan(Planned(ENDPOINT, Trouble.delay(seconds), times))

    def address(self, body: Json) -> Json:
        """Of a connection that may be made once."""
        with self._lock:
            self.endpoint_calls += 1
        app = self._state.app
        if body.get("AppID") != app.app_id:
            raise Refused(10003, "invalid param", http=200)
        if body.get("AppSecret") != app.app_secret:
            raise Refused(10014, "app secret invalid", http=200)
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        query = {
            "device_id": str(secrets.randbits(62)), "access_key": secrets.token_hex(16), "service_id": "33554678",
            "ticket": ticket, "fpid": "493", "aid": "552564",
        }  # fmt: skip
        return {"URL": f"ws://127.0.0.1:{self._port}/ws/v2?{urlencode(query)}", "ClientConfig": self.client_config}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Accept connections for as long."""
        self._loop = asyncio.get_running_loop()
        self._state.ws_url = self.address
        async with serve(
            self._hold, "127.0.0.1", 0, process_request=self._admit, ping_interval=None, close_timeout=0.5
        ) as server:
            self._port = next(iter(server.sockets)).getsockname()[1]
            try:
                yield
            finally:
                for connection in list(self._open):
                    connection.transport.abort()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        ticket = parse_qs(urlsplit(request.path).query).get("ticket", [""])[0]
        if ticket not in self._tickets:
            return _rejection(403, "ticket is invalid", 0)
        self._tickets.discard(ticket)
        if self.connections >= MOST_CONNECTIONS:
            return _rejection(514, "the number of connections exceeded the limit", EXCEED_CONN_LIMIT)
        return None

    async def _hold(self, connection: ServerConnection) -> None:
        with self._lock:
            self._open[connection] = int(parse_qs(urlsplit(connection.request.path).query)["service_id"][0])  # type: ignore[union-attr]  # it was admitted
        try:
            if self._silent:
                connection.transport.pause_reading()
            async for message in connection:
                await self._take(connection, decode(message if isinstance(message, bytes) else message.encode()))
        except ConnectionClosed:
            pass
        finally:
            with self._lock:
                self._open.pop(connection, None)

    async def _take(self, connection: ServerConnection, frame: Frame) -> None:
        if self._silent:
            return
        if frame.method == CONTROL and frame.type == "ping":
            self.pings += 1
            pong = Frame(CONTROL, {"type": "pong"}, json.dumps(self.client_config).encode(), frame.service)
            await connection.send(encode(pong))
        elif frame.method == DATA:
            with self._lock:
                waiting = self._acks.pop(frame.headers.get("message_id", ""), None)
            if waiting is not None:
                waiting.set_result(_ack(frame))

    def _push(self, event: Mapping[str, Any], type_: str, parts: int) -> Future[Ack]:
        message_id, waiting = secrets.token_hex(16), Future[Ack]()
        with self._lock:
            assert self._open, "there is no long connection"
            connection, service = random.choice(list(self._open.items()))
            self._acks[message_id] = waiting
        payload = json.dumps(_without_token(event), ensure_ascii=False).encode()
        size = -(-len(payload) // parts)
        frames = []
        for number in range(parts):
            headers = {
                "type": type_, "message_id": message_id, "trace_id": secrets.token_hex(16), "sum": str(parts),
                "seq": str(number), "timestamp": str(self._state.clock.now_ms()),
            }  # fmt: skip
            frames.append(Frame(DATA, headers, payload[number * size : (number + 1) * size], service, number))
        if not self._silent:
            self._run(_send(connection, frames))
        return waiting

    async def _close_all(self) -> None:
        for connection in list(self._open):
            await connection.close(1001)

    async def _pause(self) -> None:
        for connection in list(self._open):
            connection.transport.pause_reading()

    def _run(self, work: Any) -> None:
        """In the platform's thread, and wait for it."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


async def _send(connection: ServerConnection, frames: list[Frame]) -> None:
    for frame in frames:
        await connection.send(encode(frame))


def _without_token(event: Any) -> Any:
    header = event.get("header") if isinstance(event, Mapping) else None
    return {**event, "header": {**header, "token": ""}} if header else event


def _ack(frame: Frame) -> Ack:
    answer = json.loads(frame.payload)
    data = answer.get("data")
    return Ack(answer.get("code", 0), json.loads(base64.b64decode(data)) if data else None, frame.headers)


def _rejection(status: int, msg: str, detail: int) -> Response:
    headers = Headers()
    headers["Handshake-Status"] = str(status)
    headers["Handshake-Msg"] = msg
    headers["Handshake-Autherrcode"] = str(detail)
    headers["Content-Length"] = "0"
    return Response(HTTPStatus.FORBIDDEN.value, "Forbidden", headers)
