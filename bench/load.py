"""
Load on one target: what each request saw, and what it cost.

`closed_loop` has so many clients, each of which waits for its answer before it asks again: a target that stalls is
asked less, and so seen less. `open_loop` sends at times that were drawn before, whatever the target does, and counts
from the time when a request was due: a stall is seen by all who come meanwhile, so there is no coordinated omission.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from bench.outcomes import Window
from bench.processes import Meter
from bench.recording import Clock, Recording
from bench.targets import Prompt, Target

Sleep: TypeAlias = Callable[[float], Awaitable[None]]


async def closed_loop(
    target: Target,
    prompts: Iterable[Prompt],
    *,
    clients: int,
    meter: Meter,
    clock: Clock = time.perf_counter,
    until: asyncio.Event | None = None,
) -> Window:
    """
    Ask all prompts, `clients` at a time: each client asks its next one as soon as it has its answer.

    Ends early when `until` is set; requests that are under way then are dropped and have no outcome.
    """
    recording = Recording(target, meter, clock)
    waiting = iter(prompts)

    async def client() -> None:
        for prompt in waiting:  # all clients take from the same ones
            await recording.ask(prompt)

    async with _running(client() for _ in range(clients)) as tasks:
        await _all_of(tasks, until)
        return recording.window(clients)


async def open_loop(
    target: Target,
    prompts: Sequence[Prompt],
    *,
    arrivals_s: Sequence[float],
    meter: Meter,
    clock: Clock = time.perf_counter,
    sleep: Sleep = asyncio.sleep,
    until: asyncio.Event | None = None,
) -> Window:
    """
    Send each prompt at its second after the start, whether earlier ones are answered or not.

    All times are counted from when a request was due, and not from when it could be sent. `until` as in `closed_loop`;
    those that were not due yet have no outcome either.
    """
    recording = Recording(target, meter, clock)

    async def arrive(prompt: Prompt, after_s: float) -> None:
        due = recording.began + after_s
        while (left := due - clock()) > 0:
            await sleep(left)
        await recording.ask(prompt, due=due)

    async with _running(arrive(*one) for one in zip(prompts, arrivals_s, strict=True)) as tasks:
        await _all_of(tasks, until)
        return recording.window(len(prompts))


async def _all_of(tasks: Sequence[asyncio.Task[Any]], until: asyncio.Event | None) -> None:
    """Until all have ended, or `until` is set; an error of one of them is raised at once."""
    everything = asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    async with _running([everything, *([until.wait()] if until else [])]) as either:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()


async def joined_by(
    target: Target, watched: Prompt, others: Sequence[Prompt], *, meter: Meter, clock: Clock = time.perf_counter
) -> Window:
    """
    Watch one answer while others come in: they are sent once it has begun, and dropped when it has ended.

    Those that were dropped have no outcome; those that ended by themselves have.
    """
    recording = Recording(target, meter, clock)
    begun = asyncio.Event()
    async with _running([recording.ask(watched, on_first_text=begun.set), begun.wait()]) as (watching, beginning):
        await asyncio.wait({watching, beginning}, return_when=asyncio.FIRST_COMPLETED)
        async with _running(recording.ask(prompt) for prompt in others):
            await watching
            return recording.window(1 + len(others))


@asynccontextmanager
async def _running(work: Iterable[Coroutine[Any, Any, Any]]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Tasks that have all ended when the context ends, by themselves or cancelled."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
