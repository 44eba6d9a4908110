"""Time that passes only where somebody sleeps."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

from tests.app.feishu.platform import Platform


class VirtualTime:
    """For code without input and output; `passing` lets it go on whenever all sleep."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._order = count()
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self._now + seconds, next(self._order), woken))
        await woken

    def advance(self, seconds: float) -> None:
        self._now += seconds

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._pass())
        yield
        task.cancel()
        await asyncio.wait({task})

    async def _pass(self) -> None:
        while True:
            await settled()
            if self._sleeping:
                at, _, woken = heapq.heappop(self._sleeping)
                if not woken.done():
                    self._now = max(self._now, at)
                    woken.set_result(None)


class SharedTime:
    """The platform's clock, which whoever sleeps puts forward: both sides agree, and nobody waits."""

    def __init__(self, platform: Platform) -> None:
        self._clock = platform.clock
        self.slept: list[float] = []

    def now(self) -> float:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._clock.advance(seconds)
        await asyncio.sleep(0)


async def settled() -> None:
    """Whoever can go on has done so."""
    for _ in range(50):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """What happens in another thread has happened."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - it is not on this event loop
            await asyncio.sleep(0.01)
