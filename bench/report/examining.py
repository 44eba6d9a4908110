"""Which sets are put to which variants, and what is left out because it would be the same or cannot be known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from bench.environment import cores
from bench.errors import EngineNotReady, NotScored
from bench.prompts import HANDBOOK
from bench.report.config import Config, file_name
from bench.report.judging import ask_handbook, ingest_handbook, read_answers, score_choices, settings_of
from bench.report.preparing import ChoiceSet, Prepared, Ready
from bench.report.records import Judged, LeftOut, Question, Run, Why
from bench.report.subjects import Surroundings, opened
from bench.targets import OpenAIServer

_SAME_WEIGHTS = ("local", "hf-pipeline")
_LOOKED_AT_S = 5.0
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
        """
        The run with more answers each time; all that takes long goes through `guard`, which may end it.

        Of a set that was begun earlier only what is missing is asked, where that can be.
        """
        handbook: tuple[Asked, ...] = (Handbook(),) if self._config.accuracy.handbook else ()
        for asked in (*handbook, *self._prepared.sets):
            for ready in self._in_order():
                known = {(one.variant, one.set) for one in run.judged if one.whole}
                known |= {(one.variant, one.what) for one in run.left_out if one.why != "failed"}
                if (ready.name, asked.name) not in known:
                    async for run in self._asked(run, ready, asked, guard):  # noqa: B020 - it grows
                        yield run

    def _in_order(self) -> list[Ready]:
        """larkwise's own engine before LangChain's pipeline: of two that have the same weights it is the faster."""
        return sorted(self._prepared.variants, key=lambda one: one.variant.provider == "hf-pipeline")

    async def _asked(self, run: Run, ready: Ready, asked: Asked, guard: _Guard) -> AsyncIterator[Run]:
        kept = tuple(one for one in run.left_out if (one.variant, one.what) != (ready.name, asked.name))
        run = replace(run, left_out=kept)
        if reason := self._reason(run, ready, asked):
            yield replace(run, left_out=(*kept, LeftOut(ready.name, asked.name, *reason)))
            return
        self._say(f"{asked.name}: {ready.name} answers …")
        others = tuple(one for one in run.judged if (one.variant, one.set) != (ready.name, asked.name))
        begun = next((one for one in run.judged if one not in others), None)
        try:
            async with aclosing(self._judged(ready, asked, begun, guard)) as growing:
                async for judged in growing:
                    run = replace(run, judged=(*others, judged))
                    yield run
        except (NotScored, EngineNotReady) as error:
            yield replace(run, left_out=(*kept, LeftOut(ready.name, asked.name, "failed", str(error))))

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
        answered = {one.variant for one in run.judged if one.set == name and one.whole}
        for other in self._prepared.variants:
            same = (other.folder, other.variant.precision) == (ready.folder, ready.variant.precision)
            if other.name in answered and other.name != ready.name and same:
                return other.name
        return None

    def _judged(self, ready: Ready, asked: Asked, begun: Judged | None, guard: _Guard) -> AsyncGenerator[Judged]:
        match asked:
            case ChoiceSet():
                return self._choices(ready, asked, begun, guard)
            case Handbook():
                return self._handbook(ready, asked, guard)

    async def _choices(
        self, ready: Ready, asked: ChoiceSet, begun: Judged | None, guard: _Guard
    ) -> AsyncGenerator[Judged]:
        assert ready.folder is not None
        found = {one.id: one for one in begun.questions} if begun else {}
        missing = [one for one in asked.questions if one.id not in found]

        def progress(done: int, of: int) -> None:
            if done % max(1, of // 10) == 0:
                self._say(f"{asked.name}: {ready.name}, {done} of {of}")

        scoring = score_choices(
            ready.folder,
            missing,
            threads=self._around.threads or cores(),
            environment=self._around.environment,
            log=self._around.logs / f"choices-{file_name(ready.name)}.log",
            progress=progress,
        )
        async with aclosing(scoring):
            while question := await guard(_following(scoring)):
                found[question.id] = question
                is_whole = len(found) == len(asked.questions)
                yield Judged(ready.name, asked.name, "choices", tuple(found.values()), whole=is_whole)

    async def _handbook(self, ready: Ready, asked: Handbook, guard: _Guard) -> AsyncGenerator[Judged]:
        """What had been answered is seen every few seconds; where it was not ended all of it is asked again."""
        file = self._around.scratch / f"answers-{file_name(ready.name)}.jsonl"
        asking = asyncio.create_task(self._ask_handbook(ready, file))
        try:
            while not asking.done():
                await guard(_moment(asking))
                if questions := await asyncio.to_thread(read_answers, file):
                    yield Judged(ready.name, asked.name, "handbook", questions, whole=False)
            questions, unanswered = await asking
            yield Judged(ready.name, asked.name, "handbook", questions, unanswered)
        finally:
            asking.cancel()
            await asyncio.wait([asking])

    async def _ask_handbook(self, ready: Ready, file: Path) -> tuple[tuple[Question, ...], int]:
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
            return await ask_handbook(
                variables,
                limit=self._config.accuracy.handbook_limit,
                file=file,
                data_dir=data_dir,
                log=around.logs / f"handbook-{file_name(ready.name)}.log",
                environment=around.environment,
            )


async def _following(scoring: AsyncGenerator[Question]) -> Question | None:
    """None at the end."""
    return await anext(scoring, None)


async def _moment(asking: asyncio.Task[Any]) -> None:
    """Some seconds, or until it is done."""
    await asyncio.wait([asking], timeout=_LOOKED_AT_S)
