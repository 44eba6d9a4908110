"""Streams that are stopped, and streams that become events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from typing import Any, cast

import pytest

from app.errors import NotReady
from app.running import RunningAnswers
from app.streaming import Event, event_stream, until

SCOPE: Any = {"type": "http", "path": "/generate"}


class Counting:
    """Counts without end, and knows whether somebody has closed it."""

    def __init__(self) -> None:
        self.closed = False

    async def numbers(self, *, pause_s: float = 0) -> AsyncGenerator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
                await asyncio.sleep(pause_s)
        finally:
            self.closed = True


async def test_pieces_pass_until_they_are_stopped_and_their_maker_ends() -> None:
    stop, counting = asyncio.Event(), Counting()
    seen = []
    async for number in until(stop, counting.numbers()):
        seen.append(number)
        if number == 3:
            stop.set()
    assert seen[:4] == [0, 1, 2, 3]
    assert len(seen) <= 5
    assert counting.closed


async def test_a_maker_that_is_busy_is_cancelled() -> None:
    stop, counting = asyncio.Event(), Counting()
    asyncio.get_running_loop().call_later(0.05, stop.set)
    assert [number async for number in until(stop, counting.numbers(pause_s=3600))] == [0]
    assert counting.closed


async def test_whoever_stops_reading_ends_the_maker_too() -> None:
    counting = Counting()
    pieces = until(asyncio.Event(), counting.numbers())
    assert await anext(pieces) == 0
    await pieces.aclose()
    assert counting.closed


async def test_every_piece_is_made_in_one_context() -> None:
    word: ContextVar[int] = ContextVar("word", default=0)

    async def counted() -> AsyncGenerator[int]:
        for number in range(3):
            word.set(word.get() + 1)
            yield word.get() * 10 + number

    assert [piece async for piece in until(asyncio.Event(), counted())] == [10, 21, 32]
    assert word.get() == 0


async def test_an_error_passes_through() -> None:
    async def broken() -> AsyncGenerator[int]:
        yield 1
        raise NotReady("no more")

    pieces = until(asyncio.Event(), broken())
    assert await anext(pieces) == 1
    with pytest.raises(NotReady):
        await anext(pieces)


async def test_an_error_before_the_first_event_is_raised() -> None:
    async def broken() -> AsyncGenerator[Event]:
        raise NotReady("not yet")
        yield {}

    with pytest.raises(NotReady):
        await event_stream(broken(), SCOPE)


async def test_a_later_one_is_the_last_event() -> None:
    async def broken() -> AsyncGenerator[Event]:
        yield {"data": "1"}
        raise NotReady("not any more")

    response = await event_stream(broken(), SCOPE)
    first, last = [cast(Event, event) async for event in response.body_iterator]
    assert first == {"data": "1"}
    assert last["event"] == "error"
    assert "not any more" in last["data"]


def test_an_answer_is_known_by_who_asked_and_in_which_session() -> None:
    running = RunningAnswers()
    with running.one("anna", "s") as stop, running.one("anna", "s") as other, running.one("ben", "s") as third:
        assert running.stop("anna", "s") == 2
        assert (stop.is_set(), other.is_set(), third.is_set()) == (True, True, False)
        assert running.stop("anna", "t") == 0
    assert running.stop("anna", "s") == 0
