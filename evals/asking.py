"""Questions on their way through a chain, several at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from langchain_core.documents import Document

from app.cli_terminal import progress_bar
from app.conversations import remembering
from app.services import Services
from chains.coefficients import Pairing
from chains.ranking import pairing_of
from chains.registry import Chain, ChainSpec
from evals.golds import is_gold, is_right
from evals.records import Quoted, Record
from evals.scores import score
from evals.sets import Question, QuestionSet
from evals.support import Embed, cited, judge
from models.errors import CompletionError

MEASURED = ("answer", "sources", "citations", "confidence", "refused")
"""What a chain's output must have, as `chains.rag.RagOutput` has it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that got no answer; a run that goes on asks it again."""

    id: str
    reason: str


class Asking:
    """Through the same door as everybody's questions."""

    def __init__(
        self, services: Services, spec: ChainSpec, asked_of: QuestionSet, collection: str, concurrency: int
    ) -> None:
        self._chain: Chain = remembering(spec, lambda: services)
        self._embed: Embed = services.embedding.embed_documents
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
            seconds = time.monotonic() - began
            quotes = await asyncio.to_thread(_quotes, question.question, output, self._embed)
            return record_of(question, output, self._asked_of, seconds, quotes)


def record_of(
    question: Question,
    output: dict[str, Any],
    asked_of: QuestionSet,
    seconds: float,
    quotes: Sequence[Quoted] = (),
) -> Record:
    """What is kept of an output that has the fields `MEASURED`."""
    sources = output["sources"]
    gold = {source["id"] for source in sources if is_gold(source["metadata"], question, asked_of)}
    supported = [citation for citation in output["citations"] if citation["supported"]]
    given = score("" if output["refused"] else output["answer"], question.answers)
    return Record(
        id=question.id,
        question=question.question,
        answerable=question.answerable,
        golds=list(question.answers),
        answer=output["answer"],
        refused=output["refused"],
        confidence=output["confidence"],
        pairing=_pairing(question.question, sources),
        signals=output.get("signals", {}),
        retrieved=any(is_right(source["content"], source["metadata"], question, asked_of) for source in sources),
        quotes=list(quotes),
        citations=len(supported),
        citations_right=sum(citation["source_id"] in gold for citation in supported),
        seconds=round(seconds, 2),
        **asdict(given),
    )


def _quotes(question: str, output: dict[str, Any], embed: Embed) -> list[Quoted]:
    return [
        Quoted(
            sentence=sentence,
            quote=citation["quote"],
            supported=judge(question, sentence, citation["quote"], embed),
        )
        for sentence, citation in cited(output["answer"], output["citations"])
        if citation["supported"]
    ]


def _pairing(question: str, sources: Sequence[dict[str, Any]]) -> Pairing | None:
    return pairing_of(question, Document(sources[0]["content"])) if sources else None
