"""Watches requests to one target and writes down when what came back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing, suppress
from itertools import pairwise
from typing import TypeAlias

from bench.errors import EngineEnded, TargetError
from bench.outcomes import Answered, Failed, Outcome, Window
from bench.processes import Meter, own_cpu_s
from bench.targets import Piece, Prompt, Target, Usage

Clock: TypeAlias = Callable[[], float]


class Recording:
    """Outcomes as they come in, and the readings at the start."""

    def __init__(self, target: Target, meter: Meter, clock: Clock) -> None:
        self._target, self._meter, self._clock = target, meter, clock
        self._outcomes: list[Outcome] = []
        self._last_cpu_s = 0.0
        self._cpu = self._server_cpu_s()
        self._elsewhere = self._elsewhere_cpu_s()
        self._client_cpu = own_cpu_s()
        self.began = clock()

    async def ask(
        self, prompt: Prompt, *, due: float | None = None, on_first_text: Callable[[], None] = lambda: None
    ) -> None:
        now = self._clock()
        began = now if due is None else due
        try:
            outcome: Outcome = await self._answer(prompt, began, now - began, on_first_text)
        except TargetError as error:
            failed_after = self._clock() - began
            outcome = Failed(prompt.label, began - self.began, failed_after, str(error), late_s=now - began)
        self._outcomes.append(outcome)

    async def _answer(self, prompt: Prompt, began: float, late_s: float, on_first_text: Callable[[], None]) -> Answered:
        cpu, cpu_first, usage = self._server_cpu_s(), 0.0, None
        arrivals: list[float] = []
        ended = began
        async with aclosing(self._target.stream(prompt)) as events:
            async for event in events:
                ended = self._clock()
                match event:
                    case Piece():
                        arrivals.append(ended)
                        if len(arrivals) == 1:
                            cpu_first = self._server_cpu_s() - cpu
                            on_first_text()
                    case Usage():
                        usage = event
        if not arrivals:
            raise TargetError("the answer has no text")
        return Answered(
            label=prompt.label,
            started_s=began - self.began,
            first_text_s=arrivals[0] - began,
            gaps_s=tuple(after - before for before, after in pairwise(arrivals)),
            total_s=ended - began,
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=(usage.completion_tokens if usage else 0) or len(arrivals),
            cpu_first_text_s=cpu_first,
            cpu_total_s=self._server_cpu_s() - cpu,
            late_s=late_s,
            tokens_told=bool(usage and usage.completion_tokens),
        )

    def window(self, clients: int) -> Window:
        return Window(
            clients=clients,
            wall_s=self._clock() - self.began,
            cpu_s=self._server_cpu_s() - self._cpu,
            elsewhere_cpu_s=self._elsewhere_cpu_s() - self._elsewhere,
            outcomes=tuple(sorted(self._outcomes, key=lambda one: one.started_s)),
            client_cpu_s=own_cpu_s() - self._client_cpu,
        )

    def _elsewhere_cpu_s(self) -> float:
        return self._meter.machine_cpu_s() - self._server_cpu_s() - own_cpu_s()

    def _server_cpu_s(self) -> float:
        """The last reading where the server has ended: what it answered until then is kept, and what fails counts."""
        with suppress(EngineEnded):
            self._last_cpu_s = self._meter.server_cpu_s()
        return self._last_cpu_s
