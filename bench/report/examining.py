"""Which sets are put to which variants, and what is left out because it would be the same or cannot be known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from bench.environment import cores
from bench.errors import EngineNotReady, NotScored
from bench.prompts import HANDBOOK
from bench.report.config import Config
from bench.report.judging import ask_handbook, ingest_handbook, score_choices, settings_of
from bench.report.preparing import ChoiceSet, Prepared, Ready
from bench.report.records import Judged, LeftOut, Run, Why
from bench.report.subjects import Surroundings, opened
from bench.targets import OpenAIServer

_SAME_WEIGHTS = ("local", "hf-pipeline")
_Guard = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Handbook:
    """The example handbook's questions, through the whole chain."""

    name: str = "handbook"


Asked: TypeAlias = Handbook | ChoiceSet


class Examination:
    """Asks every variant every set that it has not answered yet."""

    def __init__(self, prepared: Prepared, config: Config, around: Surroundings, say: Callable[[str], None]) -> None:
        self._prepared = prepared
        self._config = config
        self._around = around
        self._say = say
        self._ingested = False

    async def of(self, run: Run, guard: _Guard) -> AsyncIterator[Run]:
        """The run with one answer more each time; all that takes long goes through `guard`, which may end it."""
        handbook: tuple[Asked, ...] = (Handbook(),) if self._config.accuracy.handbook else ()
        for asked in (*handbook, *self._prepared.sets):
            for ready in self._in_order():
                known = {(one.variant, one.set) for one in run.judged}
                known |= {(one.variant, one.what) for one in run.left_out if one.why != "failed"}
                if (ready.name, asked.name) not in known:
                    run = await self._one(run, ready, asked, guard)
                    yield run

    def _in_order(self) -> list[Ready]:
        """larkwise's own engine before LangChain's pipeline: of two that have the same weights it is the faster."""
        return sorted(self._prepared.variants, key=lambda one: one.variant.provider == "hf-pipeline")

    async def _one(self, run: Run, ready: Ready, asked: Asked, guard: _Guard) -> Run:
        kept = tuple(one for one in run.left_out if (one.variant, one.what) != (ready.name, asked.name))
        run = replace(run, left_out=kept)
        if reason := self._reason(run, ready, asked):
            return replace(run, left_out=(*run.left_out, LeftOut(ready.name, asked.name, *reason)))
        self._say(f"{asked.name}: {ready.name} answers …")
        try:
            judged = await guard(self._judged(ready, asked))
        except (NotScored, EngineNotReady) as error:
            return replace(run, left_out=(*run.left_out, LeftOut(ready.name, asked.name, "failed", str(error))))
        return replace(run, judged=(*run.judged, judged))

    def _reason(self, run: Run, ready: Ready, asked: Asked) -> tuple[Why, str] | None:
        """Why it is not asked."""
        if twin := self._twin(run, ready, asked.name):
            return "same weights", twin
        match asked:
            case ChoiceSet() if ready.folder is None:
                return "no log-likelihoods", ""
            case Handbook() if not (HANDBOOK / "questions.jsonl").exists():
                return "no handbook", ""
        return None

    def _twin(self, run: Run, ready: Ready, name: str) -> str | None:
        """Another variant that has answered with the same weights."""
        if ready.variant.provider not in _SAME_WEIGHTS:
            return None
        answered = {one.variant for one in run.judged if one.set == name}
        for other in self._prepared.variants:
            same = (other.folder, other.variant.precision) == (ready.folder, ready.variant.precision)
            if other.name in answered and other.name != ready.name and same:
                return other.name
        return None

    async def _judged(self, ready: Ready, asked: Asked) -> Judged:
        match asked:
            case ChoiceSet():
                return await self._choices(ready, asked)
            case Handbook():
                return await self._handbook(ready, asked)

    async def _choices(self, ready: Ready, asked: ChoiceSet) -> Judged:
        assert ready.folder is not None

        def progress(done: int, of: int) -> None:
            if done % max(1, of // 10) == 0:
                self._say(f"{asked.name}: {ready.name}, {done} of {of}")

        questions = await score_choices(
            ready.folder,
            asked.questions,
            threads=self._around.threads or cores(),
            environment=self._around.environment,
            log=self._around.logs / f"choices-{ready.name}.log".replace("/", "-"),
            progress=progress,
        )
        return Judged(ready.name, asked.name, "choices", questions)

    async def _handbook(self, ready: Ready, asked: Handbook) -> Judged:
        data_dir, around = self._around.scratch / "handbook", self._around
        if not self._ingested:
            log = around.logs / "handbook-ingest.log"
            await ingest_handbook(data_dir, log=log, environment=around.environment)
            self._ingested = True
        async with AsyncExitStack() as closing:
            url, model = "", ""
            if ready.variant.provider in ("openai", "llama-cpp"):
                subject = await closing.enter_async_context(opened(ready, self._around))
                assert isinstance(subject.target, OpenAIServer)
                url, model = subject.target.url, subject.target.model
            variables = settings_of(ready, threads=self._around.threads, url=url, model=model)
            questions, unanswered = await ask_handbook(
                variables,
                limit=self._config.accuracy.handbook_limit,
                data_dir=data_dir,
                log=around.logs / f"handbook-{ready.name}.log".replace("/", "-"),
                environment=around.environment,
            )
        return Judged(ready.name, asked.name, "handbook", questions, unanswered)
