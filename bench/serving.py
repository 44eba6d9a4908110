"""
What serving costs: larkwise in bf16 and INT8 against llama.cpp's server and LangChain's HuggingFacePipeline.

`make bench-serving`, or `python -m bench.serving`. All engines are loaded at once and measured in turn, so that a busy
machine troubles all of them alike; an engine that is not asked uses no CPU.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli_terminal import err, progress_bar, say_error
from app.services import open_weights, ready_folder
from app.settings import load_settings
from bench.bounds import measured_apart
from bench.engines import Engine, Larkwise, LlamaServer, Pipeline, Running, started
from bench.environment import cores, here
from bench.errors import BenchError
from bench.load import closed_loop, joined_by
from bench.outcomes import Window
from bench.prompts import PromptMaker, handbook, template_counter
from bench.results import Measurement, Plan, Results, ScenarioName, Work, read, save
from bench.serving_report import BF16, INT8, LLAMA, PIPELINE, report
from bench.targets import Prompt
from bench.work import larkwise_work, llama_work

_LLAMA_MISSING = (
    "llama.cpp, because there is no llama-server on PATH (and none was given with --llama-server); "
    "docs/benchmarks.md says how to build it"
)
_ALONE = 2
"""Requests of one client in a round."""
_PREFIXES = 3
_PREFIX_ANSWER_TOKENS = 4
_WARM_UP = 1_000_000
"""The number of a prompt that no round has."""


@dataclass(frozen=True, slots=True)
class Files:
    """One model in the forms that the engines read."""

    folder: Path
    gguf: Path | None


@dataclass(frozen=True, slots=True)
class Step:
    engine: str
    scenario: ScenarioName


def serving(
    out: Annotated[Path, typer.Option(help="Where results.json, report.md and logs go")] = Path("var/bench/serving"),
    rounds: Annotated[int, typer.Option(min=1, help="How often each engine has its turn")] = 3,
    llama_server: Annotated[Path | None, typer.Option(help="llama.cpp's server; else llama-server on PATH")] = None,
    model: Annotated[str | None, typer.Option(help="A name from `larkwise models list`")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="For each engine; else all cores")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One round of short prompts, to see that it works")] = False,
) -> None:
    """Measure serving; a run that was stopped goes on where it was, if it is started again with the same options."""
    plan = Plan(
        model=model or load_settings().llm_model,
        rounds=1 if quick else rounds,
        clients=8,
        prompt_tokens=200 if quick else 700,
        answer_tokens=16 if quick else 100,
        threads=threads or cores(),
    )
    out.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(_Run(plan, out, llama_server or _on_path()).complete())
    except BenchError as error:
        say_error(str(error))
        raise typer.Exit(1) from error
    finally:
        if (out / "results.json").exists():
            text = report(read(out / "results.json"))
            (out / "report.md").write_text(text, encoding="utf-8")
            print(text)


def _on_path() -> Path | None:
    found = shutil.which("llama-server")
    return Path(found) if found else None


class _Run:
    """A plan on its way to results."""

    def __init__(self, plan: Plan, out: Path, llama_server: Path | None) -> None:
        self._plan = plan
        self._out = out
        self._binary = llama_server
        self._file = out / "results.json"

    async def complete(self) -> None:
        files = await asyncio.to_thread(_files, self._plan.model)
        results = await asyncio.to_thread(self._begun, files)
        maker = await asyncio.to_thread(_prompt_maker, files)
        with tempfile.TemporaryDirectory() as data:
            async with self._engines(files, Path(data)) as engines:
                for round_number, step in missing_steps(results, list(engines)):
                    err.print(f"round {round_number}: {step.engine}, {step.scenario} …", markup=False)
                    one = await self._measured(engines[step.engine], step.scenario, round_number, maker)
                    results = replace(results, measurements=(*results.measurements, one))
                    save(results, self._file)
        save(replace(results, complete=True), self._file)

    def _begun(self, files: Files) -> Results:
        """What an earlier run of the same plan has left, or nothing yet but bounds and environment."""
        if self._file.exists():
            earlier = read(self._file)
            if (earlier.plan, earlier.environment) == (self._plan, here()) and not earlier.complete:
                err.print(f"going on with {self._file}: {len(earlier.measurements)} are measured", markup=False)
                return earlier
            kept = self._file.with_name(f"results-{earlier.started_at.replace(':', '')}.json")
            self._file.rename(kept)
            err.print(f"beginning anew; the earlier run is kept as {kept}", markup=False)
        err.print("measuring the machine's bounds …")
        return Results(
            benchmark="serving",
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            complete=False,
            plan=self._plan,
            environment=here(),
            bounds=measured_apart(),
            work=tuple(self._work(files)),
            left_out=() if self._with_llama(files) else (_LLAMA_MISSING,),
            measurements=(),
        )

    def _with_llama(self, files: Files) -> bool:
        return self._binary is not None and files.gguf is not None

    def _work(self, files: Files) -> Iterator[Work]:
        yield larkwise_work(files.folder, engine=INT8, int8=True)
        yield larkwise_work(files.folder, engine=BF16, int8=False)
        yield larkwise_work(files.folder, engine=PIPELINE, int8=False)
        if files.gguf and self._with_llama(files):
            yield llama_work(files.gguf, engine=LLAMA)

    @asynccontextmanager
    async def _engines(self, files: Files, data: Path) -> AsyncIterator[dict[str, Running]]:
        """All of them, loaded one after the other and warmed up."""
        plan = self._plan
        engines: list[Engine] = [
            Larkwise(plan.model, "int8", data / "int8", plan.threads),
            Larkwise(plan.model, "none", data / "bf16", plan.threads),
            Pipeline(files.folder, plan.threads),
        ]
        if self._binary and files.gguf:
            engines.append(LlamaServer(self._binary, files.gguf, plan.threads, plan.clients))
        async with AsyncExitStack() as closing:
            running = {}
            for engine in engines:
                err.print(f"starting {engine.name} …", markup=False)
                log = self._out / "logs" / f"{engine.name.replace(' ', '-')}.log"
                running[engine.name] = await closing.enter_async_context(started(engine, log=log))
            yield running

    async def _measured(self, engine: Running, scenario: ScenarioName, number: int, maker: PromptMaker) -> Measurement:
        warm_up = maker.rag(_WARM_UP + number, tokens=120, answer_tokens=4)
        await closed_loop(engine.target, [warm_up], clients=1, meter=engine.process)
        window = await self._window(engine, scenario, 1000 * number, maker)
        return Measurement(
            round=number,
            engine=engine.name,
            scenario=scenario,
            window=window,
            resident_bytes=engine.process.resident_bytes(),
            load_average=os.getloadavg()[0],
        )

    async def _window(self, engine: Running, scenario: ScenarioName, base: int, maker: PromptMaker) -> Window:
        """The same prompts for every engine, and others in every scenario and round (`base`)."""
        plan, meter = self._plan, engine.process
        tokens, answer = plan.prompt_tokens, plan.answer_tokens

        def prompts(first: int, count: int, label: str = "") -> list[Prompt]:
            numbers = range(base + first, base + first + count)
            return [maker.rag(number, tokens=tokens, answer_tokens=answer, label=label) for number in numbers]

        match scenario:
            case "one client":
                return await closed_loop(engine.target, prompts(0, _ALONE), clients=1, meter=meter)
            case "many clients":
                asked = prompts(100, plan.clients)
                return await closed_loop(engine.target, asked, clients=plan.clients, meter=meter)
            case "repeated prefix":
                pairs = [
                    maker.with_common_prefix(
                        base + 200 + number,
                        tokens=6 * tokens // 7,
                        prefix_tokens=3 * tokens // 7,
                        answer_tokens=_PREFIX_ANSWER_TOKENS,
                    )
                    for number in range(_PREFIXES)
                ]
                asked = [prompt for pair in pairs for prompt in pair]
                return await closed_loop(engine.target, asked, clients=1, meter=meter)
            case "joined by others":
                watched = prompts(300, 1, "watched")[0]
                return await joined_by(engine.target, watched, prompts(301, plan.clients - 1, "other"), meter=meter)


def missing_steps(results: Results, engines: Sequence[str]) -> Iterator[tuple[int, Step]]:
    """Round and step of what is still to be measured; every round begins with another engine."""
    done = {(one.round, Step(one.engine, one.scenario)) for one in results.measurements}
    steps = [step for step in _steps() if step.engine in engines]
    for number in range(1, results.plan.rounds + 1):
        at = 3 * (number - 1) % len(steps)
        for step in (*steps[at:], *steps[:at]):
            if (number, step) not in done:
                yield number, step


def _steps() -> Iterator[Step]:
    yield Step(INT8, "many clients")
    yield Step(LLAMA, "many clients")
    yield Step(PIPELINE, "one client")
    yield Step(INT8, "one client")
    yield Step(LLAMA, "one client")
    yield Step(BF16, "one client")
    yield Step(INT8, "repeated prefix")
    yield Step(INT8, "joined by others")


def _files(model: str) -> Files:
    with progress_bar() as progress:
        weights = open_weights(load_settings(), progress=progress)
        folder = ready_folder(weights, model, progress=progress)
        gguf = next(iter(sorted(weights.ensure(model).glob("*.gguf"))), None)
    return Files(folder, gguf)


def _prompt_maker(files: Files) -> PromptMaker:
    from transformers import AutoTokenizer

    return PromptMaker(handbook(), template_counter(AutoTokenizer.from_pretrained(files.folder)))


if __name__ == "__main__":
    typer.run(serving)
