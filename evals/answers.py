"""
Ask labelled questions through the real chain and measure what comes: `larkwise eval answers`, or
`python -m evals.answers`.

Takes some seconds a question: the model really answers. Several are asked at once, as people would.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli_terminal import JsonOption, err, out, print_json, progress_bar, say_error
from app.conversations import remembering
from app.ingestion import ingest_paths
from app.services import Services, open_services
from app.settings import Settings, load_settings
from chains.registry import Chain
from evals.errors import EvalError
from evals.handbook import auc
from evals.intervals import Estimate, mean, share
from evals.records import Record, RunFacts, append, begin
from evals.scores import score
from evals.sets import FolderSet, HandbookSet, Question, QuestionSet, sample
from models.errors import CompletionError

_INGESTED = "eval"
_TIMEOUTS = ("queue_timeout_s", "first_token_timeout_s", "request_timeout_s")
_PATIENCE_S = 24 * 3600.0
"""Nobody is waiting: what matters here is the answer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that got no answer; a run that goes on asks it again."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that a report is made of."""

    facts: RunFacts
    records: tuple[Record, ...]
    failures: tuple[Failure, ...]
    seconds: float
    """Of this run alone, where it went on from an earlier one."""
    answered_now: int


def answers(
    folder: Annotated[
        Path | None, typer.Option("--set", help="A folder with queries.jsonl and corpus.jsonl; else the handbook")
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="A folder with another corpus.jsonl for these questions")] = None,
    collection: Annotated[
        str | None,
        typer.Option("--collection", "-c", help="Ask one that exists; else the set's documents are ingested"),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many questions, evenly from the whole set")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Questions that are asked at the same time")] = 8,
    file: Annotated[
        Path | None, typer.Option("--out", help="Every answer, one a line; a run that was stopped goes on with it")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Does an answer hold what it should; are the right questions refused. With 95 % intervals."""
    asked_of = FolderSet(folder, corpus) if folder else HandbookSet()
    try:
        questions = sample(asked_of.questions, limit)
        asked = asyncio.run(_ask_all(asked_of, questions, collection, concurrency=concurrency, file=file))
    except EvalError as error:
        say_error(str(error))
        raise typer.Exit(1) from error
    report = report_of(asked)
    for failure in asked.failures:
        err.print(f"{failure.id} was not answered: {failure.reason}", markup=False)
    if as_json:
        print_json(report)
    else:
        out.print(_table(report), markup=False)
    if asked.failures:
        raise typer.Exit(1)


async def _ask_all(
    asked_of: QuestionSet,
    questions: Sequence[Question],
    collection: str | None,
    *,
    concurrency: int,
    file: Path | None,
) -> Asked:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:  # after an error a thread may still write
        given: dict[str, Any] = dict.fromkeys(_TIMEOUTS, _PATIENCE_S)
        settings = load_settings(**given, **({} if collection else {"data_dir": Path(scratch) / "data"}))
        facts = _facts(settings, asked_of, questions, collection)
        answers_file = file or Path(scratch) / "answers.jsonl"
        done = {record.id: record for record in begin(answers_file, facts)}
        missing = [question for question in questions if question.id not in done]
        if missing and not collection:
            documents = await asyncio.to_thread(asked_of.documents, Path(scratch))
            await asyncio.to_thread(ingest_paths, settings, [documents], _INGESTED)
        began, failures = time.monotonic(), []
        if missing:
            async with _opened(settings) as services:
                asking = _Asking(services, asked_of, collection or _INGESTED, concurrency)
                async for outcome in asking.outcomes(missing):
                    if isinstance(outcome, Failure):
                        failures.append(outcome)
                        continue
                    append(answers_file, outcome)
                    done[outcome.id] = outcome
        records = tuple(done[question.id] for question in questions if question.id in done)
        answered_now = len(missing) - len(failures)
        return Asked(facts, records, tuple(failures), time.monotonic() - began, answered_now)


def _facts(
    settings: Settings, asked_of: QuestionSet, questions: Sequence[Question], collection: str | None
) -> RunFacts:
    return RunFacts(
        set=asked_of.name,
        questions=len(questions),
        provider=settings.llm_provider,
        model=settings.llm_model,
        quantization=settings.llm_quantization,
        embedding=settings.embedding_model,
        collection=collection or "",
    )


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Services]:
    with progress_bar() as progress:
        async with open_services(settings, progress=progress) as services:
            yield services


class _Asking:
    """Several questions under way at the same time."""

    def __init__(self, services: Services, asked_of: QuestionSet, collection: str, concurrency: int) -> None:
        self._chain: Chain = remembering(services.specs["rag"], lambda: services)
        self._asked_of = asked_of
        self._collection = collection
        self._free = asyncio.Semaphore(concurrency)

    async def outcomes(self, questions: Sequence[Question]) -> AsyncIterator[Record | Failure]:
        """As they come; nothing is under way any more when it ends."""
        tasks = [asyncio.create_task(self._ask(question)) for question in questions]
        try:
            with progress_bar() as progress:
                for number, coming in enumerate(asyncio.as_completed(tasks), start=1):
                    yield await coming
                    progress("asking", number, len(tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, question: Question) -> Record | Failure:
        async with self._free:
            began = time.monotonic()
            try:
                output = await self._chain.ainvoke({"question": question.question, "collection": self._collection})
            except CompletionError as error:
                return Failure(question.id, str(error))
            return _record(question, output, self._asked_of, time.monotonic() - began)


def _record(question: Question, output: dict[str, Any], asked_of: QuestionSet, seconds: float) -> Record:
    cited = {citation["source_id"] for citation in output["citations"]}
    documents = {
        asked_of.document_of(source["metadata"]["source"]) for source in output["sources"] if source["id"] in cited
    }
    given = score("" if output["refused"] else output["answer"], question.answers)
    return Record(
        id=question.id,
        question=question.question,
        answerable=question.answerable,
        golds=list(question.answers),
        answer=output["answer"],
        refused=output["refused"],
        confidence=output["confidence"],
        cited=bool(cited),
        cited_right=bool(documents & set(question.documents)),
        seconds=round(seconds, 2),
        **asdict(given),
    )


def report_of(asked: Asked) -> dict[str, Any]:
    """Plain JSON types; shares and means with their 95 % intervals."""
    answerable = [one for one in asked.records if one.answerable]
    unanswerable = [one for one in asked.records if not one.answerable]
    given = [one for one in asked.records if not one.refused]
    cited = [one for one in given if one.answerable and one.cited]
    figures: dict[str, Estimate] = {
        "contains": share([one.contains for one in answerable]),
        "exact": share([one.exact for one in answerable]),
        "f1": mean([one.f1 for one in answerable]),
        "refused_answerable": share([one.refused for one in answerable]),
        "refused_unanswerable": share([one.refused for one in unanswerable]),
        "right": share([one.right for one in asked.records]),
        "cites_right_document": share([one.cited_right for one in cited]),
        "answer_characters": mean([len(one.answer) for one in given]),
    }
    return {
        **asked.facts.model_dump(),
        "answered": len(asked.records),
        "failed": len(asked.failures),
        **{name: asdict(figure) for name, figure in figures.items()},
        "confidence_auc": _auc(answerable, unanswerable),
        "seconds": round(asked.seconds, 1),
        "seconds_per_question": round(asked.seconds / asked.answered_now, 2) if asked.answered_now else None,
    }


def _auc(answerable: Sequence[Record], unanswerable: Sequence[Record]) -> float | None:
    if not answerable or not unanswerable:
        return None
    return auc([one.confidence for one in answerable], [one.confidence for one in unanswerable])


_TITLES = {
    "contains": "answerable: holds an expected string",
    "exact": "answerable: is the expected string",
    "f1": "answerable: F1 of tokens",
    "refused_answerable": "answerable: refused",
    "refused_unanswerable": "unanswerable: refused",
    "right": "all: right answer or right refusal",
    "cites_right_document": "cited answers: cite a right document",
    "answer_characters": "answers: characters",
}


def _table(report: dict[str, Any]) -> str:
    asked = f"{report['set']}: {report['answered']} questions"
    model = f"{report['model']} ({report['provider']}, quantization {report['quantization']})"
    rows = [f"{asked}, {model}", "", "| what | mean | 95 % | n |", "|---|---|---|---|"]
    for name, title in _TITLES.items():
        figure = report[name]
        if figure["n"]:
            digits = 0 if name == "answer_characters" else 3
            interval = f"{figure['low']:.{digits}f}..{figure['high']:.{digits}f}"
            rows.append(f"| {title} | {figure['value']:.{digits}f} | {interval} | {figure['n']} |")
    if report["confidence_auc"] is not None:
        rows.append(f"| AUC of confidence | {report['confidence_auc']:.3f} | | {report['answered']} |")
    return "\n".join(rows)


if __name__ == "__main__":
    typer.run(answers)
