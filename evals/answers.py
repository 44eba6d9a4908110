"""
Ask labelled questions through a real chain and measure what comes: `larkwise eval answers`, or
`python -m evals.answers`.

Takes some seconds a question: the model really answers. Several are asked at once, as people would.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from app.cli_terminal import JsonOption, err, out, print_json, progress_bar, say_error
from app.services import Services, chain_specs, open_services
from app.settings import Settings
from chains.registry import ChainSpec, Parts, chain_named
from evals import plain
from evals.answer_report import Asked, report_of, sample_of_quotes, table
from evals.asking import MEASURED, Asking, Failure
from evals.calibration import check_plots, reliability_png
from evals.errors import EvalError, UnfitChain
from evals.options import AskedCollectionOption, CorpusOption, LimitOption, OutOption, SetOption, set_of, to_ask
from evals.places import Place, place
from evals.records import ANSWERS, RunFacts
from evals.runs import append, begin
from evals.sets import Question, QuestionSet

_TIMEOUTS = ("queue_timeout_s", "first_token_timeout_s", "request_timeout_s")
_PATIENCE_S = 24 * 3600.0
"""Nobody is waiting: what matters here is the answer."""


def answers(
    folder: SetOption = None,
    corpus: CorpusOption = None,
    collection: AskedCollectionOption = None,
    limit: LimitOption = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Questions that are asked at the same time")] = 8,
    chain: Annotated[
        str, typer.Option(help="What answers; `plain` is the chain that larkwise is compared with")
    ] = "rag",
    file: OutOption = None,
    plot: Annotated[
        Path | None, typer.Option(help="A PNG file to draw in how often each confidence comes true")
    ] = None,
    sampled: Annotated[
        int | None, typer.Option("--quotes", min=1, help="Print so many cited sentences with their quotes, to be read")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Does an answer hold what it should; are the right questions refused. With 95 % intervals."""
    try:
        if plot:
            check_plots()
        asked_of = set_of(folder, corpus)
        questions = to_ask(asked_of, limit)
        asked = asyncio.run(_ask_all(asked_of, questions, collection, chain, concurrency=concurrency, file=file))
    except EvalError as error:
        say_error(str(error))
        raise typer.Exit(1) from error
    report = report_of(asked)
    for failure in asked.failures:
        err.print(f"{failure.id} was not answered: {failure.reason}", markup=False)
    if as_json:
        print_json(report)
    else:
        out.print(table(report), markup=False)
    if sampled:
        err.print(sample_of_quotes(asked.records, sampled), markup=False, highlight=False)
    if plot:
        _draw(plot, asked)
    if asked.failures:
        raise typer.Exit(1)


async def _ask_all(
    asked_of: QuestionSet,
    questions: Sequence[Question],
    collection: str | None,
    chain: str,
    *,
    concurrency: int,
    file: Path | None,
) -> Asked:
    with place(collection, **dict.fromkeys(_TIMEOUTS, _PATIENCE_S)) as here:
        spec = _spec(here.settings, chain)
        facts = _facts(here, asked_of, questions, chain)
        lines = file or here.scratch / "answers.jsonl"
        done = {record.id: record for record in begin(lines, ANSWERS, facts)}
        missing = [question for question in questions if question.id not in done]
        if missing:
            await asyncio.to_thread(here.fill, asked_of)
        began, failures = time.monotonic(), []
        if missing:
            async with _opened(here.settings, spec) as services:
                asking = Asking(services, spec, asked_of, here.collection, concurrency)
                async for outcome in asking.outcomes(missing):
                    if isinstance(outcome, Failure):
                        failures.append(outcome)
                        continue
                    append(lines, outcome)
                    done[outcome.id] = outcome
        records = tuple(done[question.id] for question in questions if question.id in done)
        answered_now = len(missing) - len(failures)
        return Asked(facts, records, tuple(failures), time.monotonic() - began, answered_now)


def _spec(settings: Settings, name: str) -> ChainSpec:
    """
    Raises:
        UnknownChain: there is none of this name.
        UnfitChain: it does not answer as the chain "rag" does.
    """
    spec = chain_named({**chain_specs(settings), plain.SPEC.name: plain.SPEC}, name)
    if missing := [field for field in MEASURED if field not in spec.output.model_fields]:
        raise UnfitChain(f"the chain {name!r} does not say its {', '.join(missing)}: ask one like rag or plain")
    return spec


def _facts(here: Place, asked_of: QuestionSet, questions: Sequence[Question], chain: str) -> RunFacts:
    settings = here.settings
    return RunFacts(
        set=asked_of.name,
        questions=len(questions),
        chain=chain,
        provider=settings.llm_provider,
        model=settings.llm_model,
        quantization=settings.llm_quantization,
        embedding=settings.embedding_model,
        collection="" if here.is_own else here.collection,
    )


@asynccontextmanager
async def _opened(settings: Settings, spec: ChainSpec) -> AsyncIterator[Services]:
    """The services, with this chain among theirs where it is not."""
    with progress_bar() as progress:
        async with open_services(settings, progress=progress) as services:
            if spec.name in services.chains:
                yield services
                return
            built = spec.build(Parts(model=services.model, collection=services.collections.open))
            yield replace(services, chains={**services.chains, spec.name: built})


def _draw(file: Path, asked: Asked) -> None:
    facts = asked.facts
    confidences = [one.confidence for one in asked.records]
    outcomes = [one.came_true for one in asked.records]
    reliability_png(file, confidences, outcomes, f"{facts.chain} with {facts.model} on {facts.set}")
    err.print(f"how often each confidence comes true is in {file}", markup=False)


if __name__ == "__main__":
    typer.run(answers)
