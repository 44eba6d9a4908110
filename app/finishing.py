"""What must be done to its end, also where the request that began it is cancelled."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_unfinished: set[asyncio.Task[Any]] = set()
"""The event loop itself keeps no task alive."""


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await it; it goes on where whoever waits is cancelled. Even a thread that has not begun yet would not begin."""
    task = asyncio.create_task(work)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    return await asyncio.shield(task)


def unbroken(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """
    For what talks to the database: whoever waits may be cancelled, the transaction goes on to its end.

    A connection whose work is cut off in the middle cannot be closed properly.
    """

    @functools.wraps(work)
    async def whole(*args: P.args, **kwargs: P.kwargs) -> T:
        return await to_the_end(work(*args, **kwargs))

    return whole


async def all_finished() -> None:
    """When nothing that was to be done to its end is still going on, on this event loop."""
    here = asyncio.get_running_loop()
    while mine := [task for task in _unfinished if task.get_loop() is here and task is not asyncio.current_task()]:
        await asyncio.wait(mine)
