"""Work for a request ends when its client goes away, and when the service is stopped."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

from sse_starlette.sse import AppStatus
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ShuttingDown, logged_problem

logger = logging.getLogger(__name__)
_GONE = 499
"""What proxies call a client that did not wait; nobody reads it but our own log."""
_EVENTS = b"text/event-stream"
Handler: TypeAlias = Any


class Draining:
    """The end of the service: running work may go on for `timeout_s`, and new work is refused."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._begun = False
        self.is_over = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        return self._begun

    def begin(self) -> None:
        """From now on; safe to call more than once, in the event loop."""
        if not self._begun:
            self._begun = True
            asyncio.get_running_loop().call_later(self._timeout_s, self.is_over.set)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """
        Begin when the process is asked to end; the server's own handler is called too.

        The server tells an application only after the last answer has gone, which would be too late.
        """
        # sse-starlette would end every stream at once, where running answers have a while to end
        AppStatus.enable_automatic_graceful_drain = False
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        before: dict[int, Handler] = {}

        def begin(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.begin)
            if callable(server := before[number]):
                server(number, frame)

        for each in (signal.SIGTERM, signal.SIGINT):
            before[each] = signal.signal(each, begin)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Watch:
    """
    ASGI middleware: cancels the work for a request whose client has gone away, or whose time is over at the end.

    A response that has not begun is then a 503; a stream of events ends with an `error` event. An error in the
    middle of such a stream ends it in order as well.
    """

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        if self._draining.has_begun and scope["method"] == "POST":
            await exchange.fail(ShuttingDown("larkwise is being stopped: ask again when it is back"))
            return
        await self._watched(exchange)

    async def _watched(self, exchange: _Exchange) -> None:
        work = asyncio.ensure_future(self._app(exchange.scope, exchange.receive, exchange.send))
        gone = asyncio.create_task(exchange.gone.wait())
        over = asyncio.create_task(self._draining.is_over.wait())
        try:
            await asyncio.wait({work, gone, over}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await _result(exchange, work)
                return
            exchange.is_cut = True
            await _cancelled(work)
            await _say_why(exchange, over=over.done())
        finally:
            for task in (work, gone, over, exchange.listening):
                if task is not None:
                    task.cancel()


class _Exchange:
    """One request and its response, seen from outside the application."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.gone = asyncio.Event()
        self.listening: asyncio.Task[None] | None = None
        self.is_cut = False
        """Whether nothing more of the application's is sent."""
        self.has_begun = False
        self.is_stream = False
        self.is_complete = False
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        """As the application calls it; once the body is read, somebody listens for the client's going away."""
        if self.listening is not None:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.gone.set()
        elif not message.get("more_body", False):
            self.listening = asyncio.create_task(self._listen())
        return message

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone.set()

    async def send(self, message: Message) -> None:
        if self.is_cut:
            return
        if message["type"] == "http.response.start":
            self.has_begun = True
            self.is_stream = any(name == b"content-type" and _EVENTS in value for name, value in message["headers"])
        self.is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        """Say what went wrong, as a response or, within a stream, as its last event."""
        problem = logged_problem(error, self.scope)
        if not self.has_begun:
            await problem.response(self.scope)(self.scope, self._receive, self._send)
        elif self.is_stream and not self.is_complete:
            data = json.dumps(problem.body(self.scope), ensure_ascii=False)
            await self._end(f"event: error\ndata: {data}\n\n".encode())

    async def end_stream(self) -> None:
        """Nothing follows; the connection stays usable."""
        if not self.is_complete:
            await self._end(b"")

    async def log_as_gone(self) -> None:
        """The client has gone and reads nothing; this is for the log."""
        if not self.has_begun:
            await self._send({"type": "http.response.start", "status": _GONE, "headers": []})

    async def _end(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


async def _result(exchange: _Exchange, work: asyncio.Future[None]) -> None:
    error = work.exception()
    if error is None:
        return
    if not isinstance(error, Exception) or not exchange.is_stream:
        raise error
    # LangServe has said `event: error` already, and raises it again; a connection that breaks would tell no more
    cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
    logged_problem(cause if isinstance(cause, Exception) else error, exchange.scope)
    await exchange.end_stream()


async def _cancelled(work: asyncio.Future[None]) -> None:
    """Cancelled, and all the way out."""
    while not work.done():
        work.cancel()
        await asyncio.wait({work}, timeout=1.0)


async def _say_why(exchange: _Exchange, *, over: bool) -> None:
    if exchange.gone.is_set():
        await exchange.log_as_gone()
    elif over:
        await exchange.fail(ShuttingDown("larkwise was stopped before the answer was complete: ask again"))
