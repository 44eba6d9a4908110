"""From a configuration to a run: everything that is missing is measured, and each thing is kept as soon as it is."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from app.settings import Settings
from bench import gpu
from bench.bounds import measured_apart
from bench.environment import here
from bench.errors import EngineEnded, InvalidRun, Stopped
from bench.load import closed_loop, open_loop
from bench.outcomes import Window
from bench.report.asking import Asking
from bench.report.config import Config
from bench.report.examining import Examination
from bench.report.folder import made
from bench.report.memory import Watching, gpu_bytes
from bench.report.plan import Loading, Step, steps
from bench.report.preparing import ANY_MODEL, SEES_NO_GPU, Prepared, prepare
from bench.report.records import RESULTS, Facts, LeftOut, Measured, Run, read_run, save
from bench.report.subjects import Subject, Surroundings, opened
from models.sources import Progress

Say = Callable[[str], None]
T = TypeVar("T")
_SAVED_EACH_S = 10.0
"""While questions are answered: to write everything takes as long as an answer."""
_KNOWS_BOUNDS = ("local", "hf-pipeline", "llama-cpp")


class _Enough(Exception):
    """The person has had enough; what was measured is kept."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be measured, and where it goes; `command` is how it can be done again."""

    name: str
    config: Config
    config_text: str
    command: str
    out: Path
    settings: Settings


class Runner:
    """
    A job on its way to a run.

    When `stop` is set it ends within a moment. What an earlier call has left in the same folder is not measured again.
    """

    def __init__(self, job: Job, *, stop: asyncio.Event, say: Say, progress: Progress) -> None:
        self._job = job
        self._config = job.config
        self._stop = stop
        self._say = say
        self._progress = progress
        self._saved_at = 0.0
        self._run = self._begun((), (), "together")

    async def complete(self) -> Run:
        """
        The run; it is not complete where it was stopped.

        Raises:
            Stopped: nothing was measured yet.
            UsageError: something that the configuration names cannot be used, or the folder is another run's.
            BenchError, WeightsError: it cannot go on; what was measured until then is in results.json.
        """
        made(self._job.out)
        with tempfile.TemporaryDirectory() as scratch:
            try:
                await self._everything(Path(scratch))
                self._keep(replace(self._run, complete=True))
            except _Enough:
                if not self._run.measured:
                    raise Stopped("the run was stopped before anything was measured") from None
                self._keep(self._run)
                self._say("stopped: what was measured is kept")
        return self._run

    async def _everything(self, scratch: Path) -> None:
        on_gpu = await self._unless_stopped(asyncio.to_thread(self._on_gpu))
        work = asyncio.to_thread(prepare, self._config, self._job.settings, progress=self._going_on, on_gpu=on_gpu)
        prepared: Prepared = await self._unless_stopped(work)
        asking = await self._unless_stopped(asyncio.to_thread(Asking, self._config, prepared.counter))
        loading: Loading = "apart" if self._is_apart(on_gpu) else "together"
        self._keep(await self._unless_stopped(asyncio.to_thread(self._prepared, prepared, loading)))
        around = self._surroundings(scratch)
        await self._speed(prepared, around, asking, loading)
        examination = Examination(prepared, self._config, around, self._say)
        async for change in examination.of(self._run, self._unless_stopped):
            self._run = change
            if time.monotonic() - self._saved_at > _SAVED_EACH_S:
                self._keep(change)

    def _going_on(self, what: str, done: int, of: int) -> None:
        """In the thread that fetches and converts: nothing else could end it."""
        if self._stop.is_set():
            raise _Enough
        self._progress(what, done, of)

    def _prepared(self, prepared: Prepared, loading: Loading) -> Run:
        """What an earlier call has left, or nothing yet but environment and bounds."""
        facts = tuple(one.facts for one in prepared.variants)
        if (self._job.out / RESULTS).exists():
            return self._earlier(facts, prepared.left_out, prepared.asked)
        begun = replace(self._begun(facts, prepared.left_out, loading), asked=prepared.asked)
        if not any(one.provider in _KNOWS_BOUNDS for one in facts):
            return begun
        self._say("measuring the machine's bounds …")
        return replace(begun, bounds=measured_apart(self._environment()))

    def _begun(self, facts: tuple[Facts, ...], left_out: tuple[LeftOut, ...], loading: Loading) -> Run:
        now = _now()
        return Run(
            name=self._job.name,
            started_at=now,
            ended_at=now,
            complete=False,
            command=self._job.command,
            config_text=self._job.config_text,
            config=self._config,
            environment=here(),
            bounds=None,
            variants=facts,
            left_out=left_out,
            loading=loading,
            measured=(),
            judged=(),
        )

    def _earlier(self, facts: tuple[Facts, ...], left_out: tuple[LeftOut, ...], asked: str) -> Run:
        earlier = read_run(self._job.out)
        if earlier.complete or (earlier.config, earlier.environment) != (self._config, here()):
            what = "a complete run" if earlier.complete else "another configuration's, or another machine's, run"
            raise InvalidRun(f"{self._job.out} holds {what}: give another --out")
        if earlier.asked != asked:
            raise InvalidRun(f"prompts or questions have changed since {self._job.out} was begun: give another --out")
        known = {one.name: one for one in earlier.variants}
        facts = tuple(_same(known.get(one.name, one), one, self._job.out) for one in facts)
        whole = tuple(one for one in earlier.measured if one.whole)
        self._say(f"going on with {self._job.out}: {len(whole)} measurements are there")
        of_sets = tuple(one for one in earlier.left_out if one.what)
        return replace(earlier, measured=whole, variants=facts, left_out=(*left_out, *of_sets), complete=False)

    async def _speed(self, prepared: Prepared, around: Surroundings, asking: Asking, loading: Loading) -> None:
        names, scenarios = [one.name for one in prepared.variants], [one.name for one in self._config.scenarios]
        everything = list(steps(names, scenarios, repeats=self._config.repeats, loading=loading))
        done = {Step(one.repeat, one.variant, one.scenario) for one in self._run.measured}
        missing = [(number, step) for number, step in enumerate(everything, start=1) if step not in done]
        groups: Iterable[list[tuple[int, Step]]] = [missing] if missing else []
        if loading == "apart":
            groups = [list(group) for _, group in groupby(missing, key=lambda one: (one[1].repeat, one[1].variant))]
        for group in groups:
            used_before = gpu.used_bytes() if loading == "apart" else None
            async with AsyncExitStack() as closing:
                subjects = {}
                for name in dict.fromkeys(step.variant for _, step in group):
                    self._say(f"starting {name} …")
                    entering = closing.enter_async_context(opened(prepared.of(name), around))
                    subjects[name] = await self._unless_stopped(entering)
                    self._call_model(subjects[name])
                for number, step in group:
                    self._say(f"{number} of {len(everything)}: {step.variant}, {step.scenario}, repeat {step.repeat} …")
                    await self._measure(step, subjects[step.variant], asking, used_before)

    def _call_model(self, subject: Subject) -> None:
        """A server may be the one to say what its model is called; where it said so before it must say the same."""
        _same(self._run.facts(subject.name), replace(self._run.facts(subject.name), model=subject.model), self._job.out)
        named = [replace(one, model=subject.model) if one.name == subject.name else one for one in self._run.variants]
        without = tuple(one for one in self._run.without_ignore_eos if one != subject.name)
        without = without if subject.ignores_eos else (*without, subject.name)
        self._run = replace(self._run, variants=tuple(named), without_ignore_eos=without)

    async def _measure(self, step: Step, subject: Subject, asking: Asking, used_before: int | None) -> None:
        warm_up = await asyncio.to_thread(asking.warm_up)
        await closed_loop(subject.target, warm_up, clients=1, meter=subject.meter, until=self._stop)
        async with Watching(subject.process) as memory:
            window = await self._window(step, subject, asking)
        resident_bytes, death = _resident(subject)
        requests = self._config.scenario(step.scenario).requests
        one = Measured(
            repeat=step.repeat,
            variant=step.variant,
            scenario=step.scenario,
            window=window,
            metered=subject.process is not None,
            resident_bytes=resident_bytes,
            peak_bytes=memory.peak_bytes,
            gpu_bytes=None if death else await asyncio.to_thread(gpu_bytes, subject.process, used_before=used_before),
            load_average=os.getloadavg()[0],
            whole=len(window.outcomes) == requests and death is None,
        )
        if window.outcomes:
            self._keep(replace(self._run, measured=(*self._run.measured, one)))
        if death:
            raise death
        if not one.whole:
            raise _Enough

    async def _window(self, step: Step, subject: Subject, asking: Asking) -> Window:
        scenario = self._config.scenario(step.scenario)
        prompts = await asyncio.to_thread(asking.prompts, scenario, step.repeat)
        if scenario.clients:
            return await closed_loop(
                subject.target, prompts, clients=scenario.clients, meter=subject.meter, until=self._stop
            )
        times = asking.arrivals_s(scenario, step.repeat)
        return await open_loop(subject.target, prompts, arrivals_s=times, meter=subject.meter, until=self._stop)

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """
        Raises:
            _Enough: the person said so before it came to an end; it is cancelled.
        """
        task, stopping = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise _Enough
            return task.result()
        finally:
            for one in (task, stopping):
                one.cancel()
            await asyncio.gather(task, stopping, return_exceptions=True)

    def _keep(self, run: Run) -> None:
        self._run, self._saved_at = replace(run, ended_at=_now()), time.monotonic()
        save(self._run, self._job.out)

    def _on_gpu(self) -> bool:
        import torch

        return self._config.device == "auto" and torch.cuda.is_available()

    def _is_apart(self, on_gpu: bool) -> bool:
        return self._config.loading == "apart" or (self._config.loading == "auto" and on_gpu)

    def _environment(self) -> dict[str, str]:
        return SEES_NO_GPU if self._config.device == "cpu" else {}

    def _surroundings(self, scratch: Path) -> Surroundings:
        return Surroundings(
            scratch=scratch,
            logs=self._job.out / "logs",
            threads=self._config.threads,
            slots=max(one.clients or 8 for one in self._config.scenarios),
            longest=max(map(sum, map(self._config.lengths, self._config.scenarios))),
            environment=self._environment(),
            api_key=self._job.settings.llm_api_key.get_secret_value(),
        )


def _same(before: Facts, now: Facts, folder: Path) -> Facts:
    """
    What a variant is now.

    Raises:
        InvalidRun: it was something else when it was measured.
    """
    if now.model == ANY_MODEL:
        return before
    if before.model != ANY_MODEL and before != now:
        was = f"{before.model} ({before.step_bytes} bytes)" if before.model == now.model else before.model
        raise InvalidRun(f"in {folder} {now.name} is {was}, and now it is {now.model}: give another --out")
    return now


def _resident(subject: Subject) -> tuple[int | None, EngineEnded | None]:
    """Its memory, or that it has ended."""
    try:
        return (subject.process.resident_bytes() if subject.process else None), None
    except EngineEnded as error:
        return None, error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
