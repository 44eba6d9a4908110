"""
Ask labelled questions of the search alone, without a chat model: `larkwise eval retrieval`.

One question after the other, because their time is measured too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import typer
from langchain_core.documents import Document

from app.cli_terminal import JsonOption, out, print_json, progress_bar, say_error
from chains.retrieval import retrieve
from evals.errors import EvalError
from evals.golds import Golds
from evals.options import AskedCollectionOption, CorpusOption, LimitOption, OutOption, SetOption, set_of, to_ask
from evals.places import Place, place
from evals.ranks import TOP, Ranks
from evals.retrieval_records import RETRIEVAL, RetrievalFacts, RetrievalRecord
from evals.retrieval_report import report_of, table
from evals.runs import append, begin
from evals.sets import Question, QuestionSet
from ingest.stores.port import KnowledgeStore


@dataclass(frozen=True, slots=True)
class Ranking:
    """The chunks that were found, best first, and how likely it is that they answer the question (0..1)."""

    chunks: tuple[Document, ...]
    probability: float


Search: TypeAlias = Callable[[KnowledgeStore, str], Ranking]


def search(store: KnowledgeStore, question: str) -> Ranking:
    """As the chain "rag" searches."""
    found = retrieve(store, question, top_k=TOP)
    return Ranking(tuple(one.document for one in found.found), found.answerable)


def retrieval(
    folder: SetOption = None,
    corpus: CorpusOption = None,
    collection: AskedCollectionOption = None,
    limit: LimitOption = None,
    file: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Are the right chunks found, and is it known when there are none. With 95 % intervals."""
    try:
        asked_of = set_of(folder, corpus)
        facts, records = measure(asked_of, to_ask(asked_of, limit), collection, file=file)
    except EvalError as error:
        say_error(str(error))
        raise typer.Exit(1) from error
    report = report_of(facts, records)
    if as_json:
        print_json(report)
    else:
        out.print(table(report), markup=False)


def measure(
    asked_of: QuestionSet,
    questions: Sequence[Question],
    collection: str | None,
    *,
    file: Path | None,
    by: Search = search,
) -> tuple[RetrievalFacts, list[RetrievalRecord]]:
    """
    In the order of the questions; those that `file` knows already are not asked again.

    Raises:
        EvalError: the set cannot be read, or the file is another run's.
    """
    with place(collection) as here:
        facts = _facts(here, asked_of, questions)
        lines = file or here.scratch / "retrieval.jsonl"
        done = {record.id: record for record in begin(lines, RETRIEVAL, facts)}
        missing = [question for question in questions if question.id not in done]
        if missing:
            here.fill(asked_of)
            with here.store() as store:
                for record in _asked(store, asked_of, missing, by):
                    append(lines, record)
                    done[record.id] = record
        return facts, [done[question.id] for question in questions]


def _facts(here: Place, asked_of: QuestionSet, questions: Sequence[Question]) -> RetrievalFacts:
    settings = here.settings
    return RetrievalFacts(
        set=asked_of.name,
        questions=len(questions),
        embedding=settings.embedding_model,
        collection="" if here.is_own else here.collection,
        vector_store=settings.vector_store,
        chunk_size=settings.chunk_size if here.is_own else 0,
        chunk_overlap=settings.chunk_overlap if here.is_own else 0,
    )


def _asked(
    store: KnowledgeStore, asked_of: QuestionSet, questions: Sequence[Question], by: Search
) -> Iterator[RetrievalRecord]:
    golds = Golds(store, asked_of)
    by(store, questions[0].question)  # the first search opens files and fills caches
    with progress_bar() as progress:
        for number, question in enumerate(questions, start=1):
            began = time.perf_counter()
            ranking = by(store, question.question)
            yield _record(question, golds, ranking, ms=1000 * (time.perf_counter() - began))
            progress("asking", number, len(questions))


def _record(question: Question, golds: Golds, ranking: Ranking, *, ms: float) -> RetrievalRecord:
    gold = golds.of(question)
    ids = [str(chunk.id) for chunk in ranking.chunks]
    documents = [str(chunk.metadata.get("document_id", "")) for chunk in ranking.chunks]
    return RetrievalRecord(
        id=question.id,
        question=question.question,
        answerable=question.answerable,
        chunk=_ranks(ids, gold.chunk_ids),
        document=_ranks(documents, gold.document_ids),
        overlap=gold.overlap,
        cross_language=gold.is_cross_language,
        probability=ranking.probability,
        ms=round(ms, 3),
        found=ids,
    )


def _ranks(found: Sequence[str], right: frozenset[str]) -> Ranks:
    """What comes twice counts where it comes first."""
    first = dict(reversed([(one, number) for number, one in enumerate(found, start=1)]))
    return Ranks(at=sorted(number for one, number in first.items() if one in right), wanted=len(right))
