"""The running platform: HTTP and long connection in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from tests.app.feishu.platform.door import Door
from tests.app.feishu.platform.longconn import LongConnections
from tests.app.feishu.platform.state import State


class Server:
    """Both on free ports of loopback."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.ws = LongConnections(state)
        # lark-oapi's long connection needs no websockets of uvicorn: that runs on a port of its own
        config = uvicorn.Config(
            Door(state), host="127.0.0.1", port=0, log_level="warning", access_log=False, lifespan="off", ws="none",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._http = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="feishu-platform")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.servers[0].sockets[0].getsockname()[1]}"

    def start(self) -> None:
        self._thread.start()
        until = time.monotonic() + 30
        while not self._http.started:
            assert self._thread.is_alive(), "the platform ended while it was starting"
            assert time.monotonic() < until, "the platform did not start"
            time.sleep(0.005)

    def stop(self) -> None:
        self._http.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        async with self.ws.open():
            await self._http.serve()


@contextmanager
def serving(state: State) -> Iterator[Server]:
    server = Server(state)
    server.start()
    try:
        yield server
    finally:
        server.stop()
