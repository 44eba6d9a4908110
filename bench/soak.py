"""
A soak: hours of a busy office in some minutes, on the small model. `make soak`, or `python -m bench.soak`.

Requests arrive at random, some in bursts; their lengths are random; some people go away before the answer is complete,
and some have too little time. Afterwards every request must have been answered, refused, timed out or left by its
caller, every place in the engine must be free, and memory must not have grown.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import httpx
import typer

from app.cli_terminal import JsonOption, err, out, print_json, say_error
from app.services import open_weights, ready_folder
from app.settings import load_settings
from bench.engines import Larkwise, Running, started
from bench.errors import BenchError, TargetError
from bench.processes import ProcessTree
from bench.targets import Message, OpenAIServer, Piece, Prompt

_MODEL = "smollm2-135m-instruct"
_SETTINGS = {
    "LLM_PREFIX_CACHE_MB": "16",  # full within the first minute: what grows afterwards is a leak
    "LLM_MAX_WAITING": "24",
    "LLM_MAX_TOKENS_IN_FLIGHT": "4096",
    "QUEUE_TIMEOUT_S": "20",
    "FIRST_TOKEN_TIMEOUT_S": "20",
    "REQUEST_TIMEOUT_S": "15",
}
_GROWTH_MB = 50
_FIRST_MINUTE_S = 60.0
_IDLE_WITHIN_S = 30.0
_ARRIVALS_A_SECOND = 0.7
_BURST = 30
"""More than may wait: the last ones are refused."""
_BURSTS = 0.02
_LEAVE = 0.3
_LONGEST_PROMPT, _LONGEST_ANSWER = 400, 120
"""In words, and in tokens."""
_SAMPLE_S = 1.0
_WORDS = ("the", "model", "reads", "prompts", "and", "answers", "while", "others", "wait", "云雀", "芯片", "部署")

End: TypeAlias = Literal["answered", "left", "timed out", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Soaked:
    """Bytes are resident memory: median after the first minute, median at the end, and the greatest."""

    minutes: float
    ends: dict[str, int]
    reasons: tuple[str, ...]
    """Of the first failures."""
    left_over: dict[str, int]
    """What the engine still held when all had ended; empty where it was idle."""
    early_bytes: int
    late_bytes: int
    peak_bytes: int

    @property
    def growth_mb(self) -> float:
        return (self.late_bytes - self.early_bytes) / 2**20

    def faults(self) -> list[str]:
        """What must not be; nothing where all is well."""
        faults = []
        if failed := self.ends.get("failed"):
            faults.append(f"{failed} requests failed: {'; '.join(self.reasons)}")
        if not self.ends.get("answered"):
            faults.append("no request was answered")
        if self.left_over:
            faults.append(f"the engine is not idle {_IDLE_WITHIN_S:.0f} s after the last request: {self.left_over}")
        if self.growth_mb >= _GROWTH_MB:
            faults.append(f"memory has grown by {self.growth_mb:.0f} MB after the first minute")
        return faults


def soak(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long")] = 10,
    model: Annotated[str, typer.Option(help="A small one from `larkwise models list`")] = _MODEL,
    quantization: Annotated[str, typer.Option(help="none or int8")] = "none",
    seed: Annotated[int, typer.Option(help="Other random numbers")] = 1,
    log: Annotated[Path, typer.Option(help="Where the server's log goes")] = Path("var/bench/soak.log"),
    as_json: JsonOption = False,
) -> None:
    """Random load for some minutes; exit code 1 where a request or memory is lost."""
    if quantization not in ("none", "int8"):
        raise typer.BadParameter("quantization is none or int8")
    try:
        soaked = asyncio.run(_soak(minutes, model, quantization, seed, log))  # type: ignore[arg-type]  # checked above
    except BenchError as error:
        say_error(str(error))
        raise typer.Exit(1) from error
    faults = soaked.faults()
    if as_json:
        print_json({**_plain(soaked), "faults": faults})
    else:
        ends = ", ".join(f"{count} {end}" for end, count in sorted(soaked.ends.items()))
        out.print(f"{soaked.minutes:.1f} minutes: {ends}", markup=False)
        out.print(
            f"memory: {soaked.early_bytes / 2**20:.0f} MB after the first minute, {soaked.late_bytes / 2**20:.0f} MB "
            f"at the end ({soaked.growth_mb:+.0f}), {soaked.peak_bytes / 2**20:.0f} MB at most",
            markup=False,
        )
    for fault in faults:
        say_error(fault)
    if faults:
        raise typer.Exit(1)


def _plain(soaked: Soaked) -> dict[str, object]:
    names = ("minutes", "ends", "reasons", "left_over", "early_bytes", "late_bytes", "peak_bytes", "growth_mb")
    return {name: getattr(soaked, name) for name in names}


async def _soak(minutes: float, model: str, quantization: Literal["none", "int8"], seed: int, log: Path) -> Soaked:
    await asyncio.to_thread(lambda: ready_folder(open_weights(load_settings()), model))
    with tempfile.TemporaryDirectory() as data:
        engine = Larkwise(model, quantization, Path(data), variables=_SETTINGS)
        async with started(engine, log=log) as running:
            err.print(f"soaking for {minutes:g} minutes …", markup=False)
            return await _Soak(running, random.Random(seed)).run(60 * minutes)


class _Soak:
    """Random people before one server."""

    def __init__(self, running: Running, chance: random.Random) -> None:
        assert isinstance(running.target, OpenAIServer)
        self._server = running.target
        self._process = running.process
        self._chance = chance
        self._ends: Counter[str] = Counter()
        self._reasons: list[str] = []

    async def run(self, seconds: float) -> Soaked:
        watching = _Memory(self._process)
        sampling = asyncio.create_task(watching.sample())
        people: set[asyncio.Task[None]] = set()
        ends = time.monotonic() + seconds
        # as much as may ever be in memory, at once: what is taken later on is a leak, and not a busier minute
        longest = [self._person(_LONGEST_PROMPT, _LONGEST_ANSWER, None) for _ in range(_BURST)]
        try:
            for person in longest:
                self._begin(person, people)
            while time.monotonic() < ends:
                arrived = _BURST if self._chance.random() < _BURSTS else 1
                for _ in range(arrived):
                    self._begin(self._anybody(), people)
                await asyncio.sleep(self._chance.expovariate(_ARRIVALS_A_SECOND))
            await asyncio.gather(*people)
            people.clear()
            left_over = await self._left_over()
        finally:
            for task in (sampling, *people):
                task.cancel()
            await asyncio.gather(sampling, *people, return_exceptions=True)
        early, late = watching.around(min(_FIRST_MINUTE_S, seconds / 3)), watching.at_the_end()
        return Soaked(seconds / 60, dict(self._ends), tuple(self._reasons), left_over, early, late, watching.peak)

    def _begin(self, person: Coroutine[Any, Any, None], people: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(person)
        people.add(task)
        task.add_done_callback(people.discard)

    def _anybody(self) -> Coroutine[Any, Any, None]:
        patience = self._chance.uniform(0, 5) if self._chance.random() < _LEAVE else None
        return self._person(
            self._chance.randint(3, _LONGEST_PROMPT), self._chance.randint(1, _LONGEST_ANSWER), patience
        )

    async def _person(self, words: int, answer_tokens: int, patience: float | None) -> None:
        text = " ".join(self._chance.choices(_WORDS, k=words))
        prompt = Prompt((Message("user", text),), answer_tokens)
        end, reason = await self._ask(prompt, patience)
        self._ends[end] += 1
        if end == "failed" and len(self._reasons) < 5:
            self._reasons.append(reason)

    async def _ask(self, prompt: Prompt, patience: float | None) -> tuple[End, str]:
        text = ""
        try:
            async with asyncio.timeout(patience), aclosing(self._server.stream(prompt)) as events:
                async for event in events:
                    if isinstance(event, Piece):
                        text += event.text
        except TimeoutError:
            return "left", ""
        except TargetError as error:
            return _end_of(str(error)), str(error)
        return "answered", ""

    async def _left_over(self) -> dict[str, int]:
        """What the engine holds although nobody asks any more; callers who went away need a step to be noticed."""
        held: dict[str, int] = {}
        began = time.monotonic()
        while time.monotonic() - began < _IDLE_WITHIN_S:
            ready = await self._server.client.get(f"{self._server.url}/health/ready")
            if ready.status_code == httpx.codes.OK:
                engine = ready.json()["engine"]
                held = {name: engine[name] for name in ("waiting", "running", "tokens_in_flight") if engine[name]}
                if not held:
                    return {}
            await asyncio.sleep(0.2)
        return held


def _end_of(reason: str) -> End:
    """A time-out and a full queue are answers that the load was meant to bring about."""
    if reason.startswith("HTTP 429"):
        return "refused"
    if reason.startswith("HTTP 408") or "timeout" in reason:
        return "timed out"
    return "failed"


class _Memory:
    """Resident memory, every second."""

    def __init__(self, process: ProcessTree) -> None:
        self._process = process
        self._began = time.monotonic()
        self._samples: list[tuple[float, int]] = []

    async def sample(self) -> None:
        while True:
            self._samples.append((time.monotonic() - self._began, self._process.resident_bytes()))
            await asyncio.sleep(_SAMPLE_S)

    def around(self, second: float) -> int:
        """The median of the quarter of a minute from that second on."""
        return _median([size for at, size in self._samples if second <= at < second + 15] or [self._samples[-1][1]])

    def at_the_end(self) -> int:
        return _median([size for _, size in self._samples[-15:]])

    @property
    def peak(self) -> int:
        return max(size for _, size in self._samples)


def _median(sizes: list[int]) -> int:
    return sorted(sizes)[len(sizes) // 2]


if __name__ == "__main__":
    typer.run(soak)
