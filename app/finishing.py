"""What must be done to its end, also where the request that began it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_unfinished: set[asyncio.Task[Any]] = set()
"""The event loop itself keeps no task alive."""


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await it; it goes on where whoever waits is cancelled. Even a thread that has not begun yet would not begin."""
    task = asyncio.create_task(work)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    return await asyncio.shield(task)
