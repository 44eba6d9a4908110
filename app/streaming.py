"""Streams that can be stopped, and streams that are answered as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextvars import copy_context
from typing import Any, Generic, TypeAlias, TypeVar, cast

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Scope

from app.errors import logged_problem

T = TypeVar("T")
Event: TypeAlias = dict[str, str]
FIRST_EVENT_S = 2.0
"""Seconds for which an error may still become a status; then the stream begins, so that heartbeats can be sent."""
HEARTBEAT_S = 5.0
_END = object()


class _Steps(Generic[T]):
    """An iterator whose next piece is a task; all of them in one context, as if one task made them."""

    def __init__(self, pieces: AsyncIterator[T]) -> None:
        self._pieces = pieces
        self._context = copy_context()

    def next(self) -> asyncio.Task[object]:
        """The next piece, or `_END`."""
        return asyncio.create_task(self._next(), context=self._context)

    async def _next(self) -> object:
        return await anext(self._pieces, _END)

    async def close(self, step: asyncio.Task[object]) -> None:
        """Cancel the step if it is not done, and let what makes the pieces end."""
        step.cancel()
        await asyncio.gather(step, return_exceptions=True)
        if isinstance(self._pieces, AsyncGenerator):
            await self._pieces.aclose()


async def until(stop: asyncio.Event, pieces: AsyncIterator[T]) -> AsyncGenerator[T]:
    """The pieces up to the moment when `stop` is set; whatever was making the next one is then cancelled."""
    steps = _Steps(pieces)
    halt = asyncio.create_task(stop.wait())
    step = steps.next()
    try:
        while True:
            await asyncio.wait({step, halt}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set() or (piece := step.result()) is _END:
                return
            yield cast(T, piece)
            step = steps.next()
    finally:
        halt.cancel()
        await steps.close(step)


async def event_stream(events: AsyncIterator[Event], scope: Scope) -> EventSourceResponse:
    """
    Answer with events as they are made, and with heartbeats while there are none.

    An error before the first event is raised, if it comes soon; a later one becomes an event `error` with the
    error body, and the stream ends.
    """
    steps = _Steps(events)
    first = steps.next()
    try:
        await asyncio.wait({first}, timeout=FIRST_EVENT_S)
    except asyncio.CancelledError:
        await steps.close(first)
        raise
    if first.done():
        first.result()  # raises what it raised
    return EventSourceResponse(
        _with_errors(steps, first, scope), sep="\n", ping=HEARTBEAT_S, ping_message_factory=_heartbeat
    )


async def _with_errors(steps: _Steps[Event], step: asyncio.Task[object], scope: Scope) -> AsyncIterator[Event]:
    try:
        while (event := await step) is not _END:
            yield cast(Event, event)
            step = steps.next()
    except Exception as error:  # noqa: BLE001 - the top of a response: the client must learn of every error
        yield {"event": "error"} | as_event(logged_problem(error, scope).body(scope))
    finally:
        await steps.close(step)


def as_event(data: dict[str, Any]) -> Event:
    return {"data": json.dumps(data, ensure_ascii=False)}


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="waiting", sep="\n")
