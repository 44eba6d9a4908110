"""So many clients at once against one target: what each of them saw, and what it cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from bench.errors import TargetError
from bench.processes import Meter, own_cpu_s
from bench.targets import Piece, Prompt, Target, Usage

Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Answered:
    """
    One answer, in seconds from the moment its request was sent; `started_s` from the start of the window.

    `gaps_s` are the times between pieces of text as they arrived: a token that completes no character brings none, so
    there may be fewer of them than tokens. `cpu_*` are CPU-seconds that the server spent meanwhile, on everybody: with
    one client they are the cost of reading the prompt, and of the whole answer.
    """

    label: str
    started_s: float
    first_text_s: float
    gaps_s: tuple[float, ...]
    total_s: float
    prompt_tokens: int
    completion_tokens: int
    cpu_first_text_s: float
    cpu_total_s: float
    kind: Literal["answered"] = "answered"


@dataclass(frozen=True, slots=True)
class Failed:
    """One request without a whole answer."""

    label: str
    started_s: float
    total_s: float
    reason: str
    kind: Literal["failed"] = "failed"


Outcome: TypeAlias = Answered | Failed


@dataclass(frozen=True, slots=True)
class Window:
    """
    What happened between the first request and the last answer.

    `elsewhere_cpu_s` is what the machine spent on neither the server nor this client: where it is more than a small
    part of wall times cores, the machine was busy with other work, and the wall times say little.
    """

    clients: int
    wall_s: float
    cpu_s: float
    elsewhere_cpu_s: float
    outcomes: tuple[Outcome, ...]

    @property
    def answered(self) -> tuple[Answered, ...]:
        return tuple(one for one in self.outcomes if isinstance(one, Answered))

    @property
    def failed(self) -> tuple[Failed, ...]:
        return tuple(one for one in self.outcomes if isinstance(one, Failed))


async def closed_loop(
    target: Target, prompts: Iterable[Prompt], *, clients: int, meter: Meter, clock: Clock = time.perf_counter
) -> Window:
    """Ask all prompts, `clients` at a time: each client asks its next one as soon as it has its answer."""
    recording = _Recording(target, meter, clock)
    waiting = iter(prompts)

    async def client() -> None:
        for prompt in waiting:  # all clients take from the same ones
            await recording.ask(prompt)

    async with _running(client() for _ in range(clients)) as tasks:
        await asyncio.gather(*tasks)
    return recording.window(clients)


async def joined_by(
    target: Target, watched: Prompt, others: Sequence[Prompt], *, meter: Meter, clock: Clock = time.perf_counter
) -> Window:
    """
    Watch one answer while others come in: they are sent once it has begun, and dropped when it has ended.

    Those that were dropped have no outcome; those that ended by themselves have.
    """
    recording = _Recording(target, meter, clock)
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


class _Recording:
    """Outcomes as they come in, and the readings at the start."""

    def __init__(self, target: Target, meter: Meter, clock: Clock) -> None:
        self._target, self._meter, self._clock = target, meter, clock
        self._outcomes: list[Outcome] = []
        self._cpu = meter.server_cpu_s()
        self._elsewhere = self._elsewhere_cpu_s()
        self._began = clock()

    async def ask(self, prompt: Prompt, *, on_first_text: Callable[[], None] = lambda: None) -> None:
        began = self._clock()
        try:
            outcome: Outcome = await self._answer(prompt, began, on_first_text)
        except TargetError as error:
            outcome = Failed(prompt.label, began - self._began, self._clock() - began, str(error))
        self._outcomes.append(outcome)

    async def _answer(self, prompt: Prompt, began: float, on_first_text: Callable[[], None]) -> Answered:
        cpu, cpu_first, usage = self._meter.server_cpu_s(), 0.0, None
        arrivals: list[float] = []
        async with aclosing(self._target.stream(prompt)) as events:
            async for event in events:
                match event:
                    case Piece():
                        arrivals.append(self._clock())
                        if len(arrivals) == 1:
                            cpu_first = self._meter.server_cpu_s() - cpu
                            on_first_text()
                    case Usage():
                        usage = event
        if not arrivals:
            raise TargetError("the answer has no text")
        return Answered(
            label=prompt.label,
            started_s=began - self._began,
            first_text_s=arrivals[0] - began,
            gaps_s=tuple(after - before for before, after in pairwise(arrivals)),
            total_s=self._clock() - began,
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else len(arrivals),
            cpu_first_text_s=cpu_first,
            cpu_total_s=self._meter.server_cpu_s() - cpu,
        )

    def window(self, clients: int) -> Window:
        return Window(
            clients=clients,
            wall_s=self._clock() - self._began,
            cpu_s=self._meter.server_cpu_s() - self._cpu,
            elsewhere_cpu_s=self._elsewhere_cpu_s() - self._elsewhere,
            outcomes=tuple(sorted(self._outcomes, key=lambda one: one.started_s)),
        )

    def _elsewhere_cpu_s(self) -> float:
        return self._meter.machine_cpu_s() - self._meter.server_cpu_s() - own_cpu_s()
